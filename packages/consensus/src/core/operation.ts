import type { RegisterChange, RegisterOutcome } from '@murmuration/interface'
import { MessageTooLargeError } from '@murmuration/interface'

type UnavailableReason = (RegisterOutcome & { readonly status: 'unavailable' })['reason']

/** Hears of its end exactly once. */
export interface OperationListener {
  readonly done: (outcome: RegisterOutcome) => void
  /** The change threw, or gave a value over the limit; the register is as it was. */
  readonly failed: (error: unknown) => void
}

/** What one run of the change gave; it counts if the value is chosen. */
export interface Trial {
  readonly operation: Operation
  readonly previous: Uint8Array | undefined
  readonly value: Uint8Array | undefined
  /** What the register holds then. */
  readonly next: Uint8Array | undefined
  readonly isChange: boolean
  readonly error?: { readonly thrown: unknown }
}

/** What the caller of a change believes. */
export interface OperationInit {
  /** Nobody has written the register yet, as far as the caller knows. */
  readonly isNew?: boolean | undefined
}

/** One caller waiting for one change of one register. */
export class Operation {
  readonly isRead: boolean
  /** Nobody has written the register yet, as far as anybody has told. */
  isNew: boolean
  /**
   * Its change is part of an accept that may be, or become, chosen: from then on its end can be
   * unknown. A change that left the value as it was has no effect to be unsure of.
   */
  isSent = false
  /** Why it could not be done so far. */
  reason: UnavailableReason = 'no-view'
  readonly #change: RegisterChange | undefined
  readonly #listener: OperationListener
  #isOver = false

  /** Without a change it is a read. */
  constructor(
    change: RegisterChange | undefined,
    listener: OperationListener,
    { isNew = false }: OperationInit = {}
  ) {
    this.#change = change
    this.#listener = listener
    this.isNew = isNew && change !== undefined
    this.isRead = change === undefined
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Runs the change on a copy, so that nothing outside can alter what is kept or sent. */
  attempt(current: Uint8Array | undefined, valueBytesMax: number): Trial {
    const previous = current?.slice()
    const same: Trial = {
      operation: this,
      previous,
      value: previous,
      next: current,
      isChange: false
    }
    if (this.#change === undefined) {
      return same
    }
    try {
      const value = this.#change(previous)
      if (value === previous) {
        return same
      }
      if (value !== undefined && value.length > valueBytesMax) {
        throw new MessageTooLargeError(
          `a register holds ${valueBytesMax} bytes at most, not ${value.length}`
        )
      }
      return { operation: this, previous, value, next: value?.slice(), isChange: true }
    } catch (thrown) {
      return { ...same, error: { thrown } }
    }
  }

  finish(outcome: RegisterOutcome): void {
    if (!this.#isOver) {
      this.#isOver = true
      this.#listener.done(outcome)
    }
  }

  succeed({ error, previous, value }: Trial, view: number): void {
    if (this.#isOver) {
      return
    }
    if (error === undefined) {
      this.finish({ status: 'committed', previous, value, view })
    } else {
      this.#isOver = true
      this.#listener.failed(error.thrown)
    }
  }

  /** Its time is over, or nothing more can be learned: what the caller may conclude (P8). */
  giveUp(): void {
    this.finish(
      this.isSent ? { status: 'unknown' } : { status: 'unavailable', reason: this.reason }
    )
  }
}

/** Runs changes one after the other, each on the value that the one before it gave. */
export function runAll(
  batch: readonly Operation[],
  current: Uint8Array | undefined,
  valueBytesMax: number
): { readonly trials: readonly Trial[]; readonly value: Uint8Array | undefined } {
  const trials: Trial[] = []
  let value = current
  for (const operation of batch) {
    const trial = operation.attempt(value, valueBytesMax)
    trials.push(trial)
    value = trial.next
  }
  return { trials, value }
}
