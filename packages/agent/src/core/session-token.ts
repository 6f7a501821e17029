import { InvalidParametersError, OverloadedError } from '@murmuration/interface'
import type { VersionVector } from '@murmuration/interface'
import { defaults } from '../defaults.ts'

/**
 * What a session has seen and written: pass it to `state`, `update` and `call`, on whichever peers,
 * and the session reads its own writes, never goes back, and writes after what it has read (Terry
 * et al., "Session guarantees for weakly consistent replicated data", 1994). One version vector for
 * each agent, so a few dozen bytes; as JSON it can be kept in a cookie.
 *
 * @example
 * ```ts
 * const session = new SessionToken()
 * await here.agent(station, 'berlin').update((draft) => draft.readings.increment(1), { session })
 * await elsewhere.agent(station, 'berlin').state({ consistency: 'session', session })
 * ```
 */
export class SessionToken {
  readonly #versions = new Map<string, VersionVector>()

  /** @param json - what {@link SessionToken.toJSON} gave. @throws InvalidParametersError */
  constructor(json: Readonly<Record<string, VersionVector>> = {}) {
    for (const [id, version] of Object.entries(json)) {
      const isVersion =
        typeof version === 'object' &&
        version !== null &&
        Object.values(version).every((count) => Number.isSafeInteger(count) && count >= 0)
      if (!isVersion) throw new InvalidParametersError(`the token has no version for ${id}`)
      this.saw(id, version)
    }
  }

  /** What of an agent the session has seen and written. */
  of(id: string): VersionVector {
    return this.#versions.get(id) ?? {}
  }

  /** @throws OverloadedError when it knows too many agents: begin another session */
  saw(id: string, version: VersionVector): void {
    const before = this.#versions.get(id)
    if (before === undefined && this.#versions.size >= defaults.sessionAgentsMax) {
      throw new OverloadedError(`a session knows ${defaults.sessionAgentsMax} agents at most`)
    }
    const joined = { ...before }
    for (const [writer, count] of Object.entries(version)) {
      joined[writer] = Math.max(joined[writer] ?? 0, count)
    }
    this.#versions.set(id, joined)
  }

  /**
   * Gives up what the session has seen of an agent, after `SessionAheadError`: its next read may lack
   * that, and whatever was written after it stays.
   */
  forget(id: string): void {
    this.#versions.delete(id)
  }

  toJSON(): Readonly<Record<string, VersionVector>> {
    return Object.fromEntries(this.#versions)
  }
}
