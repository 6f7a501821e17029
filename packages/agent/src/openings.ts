import { SessionUnknownError } from '@murmuration/interface'
import type { Clock, IdempotencyKey } from '@murmuration/interface'
import type { Session } from './core/session.ts'
import { defaults } from './defaults.ts'
import type { WorkRequest } from './messages.ts'
import { Recent } from './recent.ts'

/**
 * Opens the session of this program run with the agents that it asks. That costs nothing: its first
 * request does it. Only where an owner has forgotten sessions, and what was told of that last is older,
 * the request is refused once, and sent again with what is told then.
 */
export class Openings {
  readonly #session: Session
  readonly #since: Recent<readonly number[]>

  constructor(session: Session, clock: Clock) {
    this.#session = session
    this.#since = new Recent(clock, { keptMs: defaults.openingsMs, max: defaults.openingsMax })
  }

  /** Whether the key is made here, so that it was never sent before; of others nobody knows. */
  isOwn(key: IdempotencyKey | undefined): boolean {
    return key?.session === this.#session.name
  }

  first(request: WorkRequest): WorkRequest {
    const since = this.isOwn(request.key) ? this.#since.get(request.agent) : undefined
    return since === undefined ? request : openedSince(request, since)
  }

  /** What to send after that failed. */
  again(request: WorkRequest, error: unknown): WorkRequest {
    if (!(error instanceof SessionUnknownError)) return request
    this.#since.set(request.agent, error.since)
    return openedSince(request, error.since)
  }
}

function openedSince(request: WorkRequest, since: readonly number[]): WorkRequest {
  const { key } = request
  return key === undefined ? request : { ...request, key: { ...key, since } }
}
