import { InvalidParametersError, OverloadedError, stackless } from '@murmuration/interface'
import { bulkhead, isBulkheadRejectedError } from 'cockatiel'
import type { BulkheadPolicy } from 'cockatiel'
import { defaults } from './defaults.ts'

/** Options of {@link withBulkhead}. */
export interface BulkheadOptions {
  /** What is called, for messages. @default 'the operation' */
  readonly name?: string
  /** Calls under way at once, 1 to 1000000. @default 64 */
  readonly callsMax?: number
  /** Calls that wait for one of these to end, 0 to 1000000. @default 0 */
  readonly waitingMax?: number
}

/**
 * Bounds the calls of an operation that are under way at once, so that a slow far side cannot take
 * everything. Further ones reject with `OverloadedError` at once.
 *
 * Throws `InvalidParametersError` for an option out of its range.
 */
export function withBulkhead<A extends readonly unknown[], R>(
  operation: (...args: A) => Promise<R> | R,
  options: BulkheadOptions = {}
): (...args: A) => Promise<R> {
  const { name = 'the operation', callsMax = defaults.callsMax, waitingMax = 0 } = options
  const policy = createBulkhead(callsMax, waitingMax)
  return (...args) => through(policy, name, async () => operation(...args))
}

export function createBulkhead(callsMax: number, waitingMax: number): BulkheadPolicy {
  if (!Number.isInteger(callsMax) || callsMax < 1 || callsMax > 1_000_000) {
    throw new InvalidParametersError(`callsMax must be 1 to 1000000, not ${callsMax}`)
  }
  if (!Number.isInteger(waitingMax) || waitingMax < 0 || waitingMax > 1_000_000) {
    throw new InvalidParametersError(`waitingMax must be 0 to 1000000, not ${waitingMax}`)
  }
  return bulkhead(callsMax, waitingMax)
}

/** Runs a call in a bulkhead; a full one rejects with `OverloadedError`. */
export async function through<T>(
  policy: BulkheadPolicy,
  name: string,
  call: () => Promise<T>
): Promise<T> {
  // Asked before, as a refusal by the library costs an error of its own.
  if (policy.executionSlots === 0 && policy.queueSlots === 0) throw full(name)
  try {
    return await policy.execute(call)
  } catch (cause) {
    if (isBulkheadRejectedError(cause)) throw full(name)
    throw cause
  }
}

function full(name: string): OverloadedError {
  return stackless(() => new OverloadedError(`too many calls to ${name} are under way`))
}
