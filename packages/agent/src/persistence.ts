import {
  AbortedError,
  DeadlineExceededError,
  isFactual,
  UnavailableError
} from '@murmuration/interface'
import type { CallGuard, Clock, MurmurationError, Random } from '@murmuration/interface'
import { defaults } from './defaults.ts'
import { HandlerFailure, withUnknownOutcome } from './failure.ts'

export interface PersistenceInit {
  /** What is asked for, for messages. */
  readonly id: string
  readonly timeoutMs: number
  /** When that is over, by the monotonic clock. @default it begins now */
  readonly deadline?: number
  readonly clock: Clock
  readonly random: Random
  /** A repetition counts once. */
  readonly keyed: boolean
  /** The key was never sent before: a session that is not known can be opened with it. */
  readonly opens?: boolean
  /** Nothing can take effect. */
  readonly reading?: boolean
  readonly guard?: CallGuard | undefined
  /** Waits for as long as it takes, also while the agent is paused. */
  readonly patient?: boolean
}

/** Decides of one request whether and when it is sent again, and what its caller is told in the end. */
export class Persistence {
  readonly #init: PersistenceInit
  readonly #deadline: number
  attempts = 0
  /** What ended the attempt before. */
  last: unknown
  /** Some attempt may have taken effect, or still may. */
  #isUnknown = false
  #pausedSince: number | undefined

  constructor(init: PersistenceInit) {
    this.#init = init
    this.#deadline = init.deadline ?? init.clock.monotonic() + init.timeoutMs
  }

  remainingMs(): number {
    return this.#deadline - this.#init.clock.monotonic()
  }

  /** Full jitter under a doubling bound; never past the deadline. */
  pauseMs(): number {
    const { random } = this.#init
    const doublings = Math.min(this.attempts - 1, 10)
    const longest = Math.min(defaults.retryMaxMs, defaults.retryBaseMs * 2 ** doublings)
    return Math.min(random.next() * longest, Math.max(0, this.remainingMs()))
  }

  /** Takes in how an attempt failed. Gives what to tell the caller, or undefined to try again. */
  failed(error: unknown): unknown {
    if (error instanceof HandlerFailure) return this.#told(error.error)
    if (!isFactual(error)) return error
    if (!this.#mayRepeat(error)) return this.#told(error)
    this.last = error
    if (this.#init.reading !== true) this.#isUnknown ||= error.outcomeUnknown
    return this.#pausedForLong(error) ? this.#told(error) : undefined
  }

  aborted(): Error {
    return new AbortedError('the caller gave up', {
      outcomeUnknown: this.#isUnknown,
      cause: this.last
    })
  }

  stopped(error: MurmurationError): Error {
    return this.#told(error)
  }

  tooLate(): Error {
    const { id, timeoutMs } = this.#init
    const cause = this.last
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    if (this.#isUnknown) {
      return new DeadlineExceededError(`${id} did not answer within ${timeoutMs} ms${why}`, {
        cause
      })
    }
    // These say more than that it was not available, and what to do is another thing.
    if (isFactual(cause) && (cause.name === 'PausedError' || cause.overloaded)) return cause
    return new UnavailableError(`${id} was not available within ${timeoutMs} ms${why}`, { cause })
  }

  #told(error: MurmurationError): MurmurationError {
    return this.#isUnknown ? withUnknownOutcome(error) : error
  }

  #mayRepeat(error: MurmurationError): boolean {
    // A peer that starts or stops has no handlers; `NotOwnerError` may come without its facts.
    if (error.name === 'UnknownMethodError' || error.name === 'NotOwnerError') return true
    const { guard } = this.#init
    if (error.name === 'SessionUnknownError') return this.#init.opens === true && !this.#isUnknown
    if (guard?.isOpenCircuit(error) === true) return false
    // Everybody who is shed asking again would keep the other side down.
    if (error.overloaded && guard !== undefined) return guard.mayRepeat()
    if (error.retryable) return true
    // Another peer that starts or stops; on this one it is for the caller to know.
    if (error.name === 'NotStartedError') return error.peer !== undefined
    // A read that some layer below gave up; whether the caller did is looked at elsewhere.
    if (this.#init.reading === true && error.name === 'AbortedError') return true
    // A fault in the program of the other peer: it would only happen again.
    if (error.name === 'RemoteHandlerError') return false
    // With a key, a repetition counts once; without one it might count twice.
    return error.outcomeUnknown && this.#init.keyed
  }

  #pausedForLong(error: MurmurationError): boolean {
    if (error.name !== 'PausedError' || this.#init.patient === true) {
      this.#pausedSince = undefined
      return false
    }
    const now = this.#init.clock.monotonic()
    this.#pausedSince ??= now
    return now - this.#pausedSince >= defaults.pausedMs
  }
}
