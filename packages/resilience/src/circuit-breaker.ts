import { InvalidParametersError, PeerUnavailableError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import {
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  isBrokenCircuitError
} from 'cockatiel'
import type { CircuitBreakerPolicy, IBackoff, IBackoffFactory } from 'cockatiel'
import { defaults } from './defaults.ts'
import { isUnavailability } from './failures.ts'

/** Options of {@link withCircuitBreaker}. */
export interface CircuitBreakerOptions {
  /** What is called, for messages. @default 'the operation' */
  readonly name?: string
  /** Failures one after the other that open the circuit, 1 to 1000. @default 5 */
  readonly failuresMax?: number
  /** Milliseconds before one call is let through again, 1 to 3600000. @default 1000 */
  readonly resetMs?: number
  /** @default the real time */
  readonly clock?: Pick<Clock, 'monotonic'>
  /** Which errors count. @default those that say that the far side does not answer, and unknown ones */
  readonly isFailure?: (error: unknown) => boolean
}

/** An operation behind a circuit breaker. */
export interface GuardedOperation<A extends readonly unknown[], R> {
  (...args: A): Promise<R>
  /** `half-open`: one call is under way to see whether things are better. */
  readonly state: 'closed' | 'open' | 'half-open'
}

/**
 * Puts a circuit breaker around an operation: after `failuresMax` failures one after the other it
 * rejects with `PeerUnavailableError` at once, without calling anything, until after `resetMs` one
 * call went well. Share the result between all callers of the same far side.
 *
 * Throws `InvalidParametersError` for an option out of its range.
 *
 * @example
 * ```ts
 * const price = withCircuitBreaker((item: string) => fetchPrice(item), { name: 'prices' })
 * await price('apple')
 * ```
 */
export function withCircuitBreaker<A extends readonly unknown[], R>(
  operation: (...args: A) => Promise<R> | R,
  options: CircuitBreakerOptions = {}
): GuardedOperation<A, R> {
  const circuit = createCircuit(options)
  const guarded = (...args: A): Promise<R> => circuit.run(async () => operation(...args))
  return Object.defineProperty(guarded, 'state', {
    get: () => circuit.state
  }) as GuardedOperation<A, R> // The property has just been defined.
}

/** One circuit, for several operations of one far side. */
export interface Circuit {
  readonly state: 'closed' | 'open' | 'half-open'
  run<T>(call: () => Promise<T>): Promise<T>
}

export function createCircuit(options: CircuitBreakerOptions): Circuit {
  const {
    name = 'the operation',
    failuresMax = defaults.failuresMax,
    resetMs = defaults.resetMs,
    clock = systemClock,
    isFailure = isUnavailability
  } = options
  if (!Number.isInteger(failuresMax) || failuresMax < 1 || failuresMax > 1_000) {
    throw new InvalidParametersError(`failuresMax must be 1 to 1000, not ${failuresMax}`)
  }
  if (!(resetMs >= 1 && resetMs <= 3_600_000)) {
    throw new InvalidParametersError(`resetMs must be 1 to 3600000, not ${resetMs}`)
  }
  const policy = circuitBreaker(handleWhen(isFailure), {
    halfOpenAfter: closedFor(resetMs, clock),
    breaker: new ConsecutiveBreaker(failuresMax)
  })
  return {
    get state() {
      return stateOf(policy)
    },
    run: async (call) => {
      try {
        return await policy.execute(call)
      } catch (cause) {
        if (isBrokenCircuitError(cause)) {
          throw new PeerUnavailableError(
            `${name} failed ${failuresMax} times and is not tried for ${resetMs} ms`,
            { cause }
          )
        }
        throw cause
      }
    }
  }
}

/**
 * cockatiel compares wall clocks, which may be set back while a circuit is open, and which no
 * simulation controls. So its answer is decided here: it has waited for ever too short, or too long.
 */
function closedFor(resetMs: number, clock: Pick<Clock, 'monotonic'>): IBackoffFactory<unknown> {
  const next = (): IBackoff<unknown> => {
    const until = clock.monotonic() + resetMs
    return {
      get duration() {
        return clock.monotonic() < until ? Infinity : -Infinity
      },
      next
    }
  }
  return { next }
}

/** Whether an error came from an open circuit. */
export function isOpenCircuit(error: unknown): boolean {
  return error instanceof Error && isBrokenCircuitError(error.cause)
}

function stateOf(policy: CircuitBreakerPolicy): Circuit['state'] {
  switch (policy.state) {
    case CircuitState.Closed:
      return 'closed'
    case CircuitState.HalfOpen:
      return 'half-open'
    case CircuitState.Open:
    case CircuitState.Isolated:
      return 'open'
  }
}
