/** How an operation ended for its client. */
export type Outcome<O> =
  | { readonly status: 'ok'; readonly output: O }
  /** It surely had no effect and never will. */
  | { readonly status: 'failed' }
  /** A timeout or a lost connection: it may take effect at any later time, or never. */
  | { readonly status: 'unknown' }

/** One operation of one client, as seen from outside. */
export interface Operation<I, O> {
  readonly client: string
  readonly key: string
  readonly input: I
  readonly outcome: Outcome<O>
  /** Place of its beginning among all beginnings and ends of the history. */
  readonly invokedAt: number
  /** Place of its end; `Infinity` where the outcome is unknown. */
  readonly returnedAt: number
  /** The clock at the beginning, in milliseconds, for people who read it. */
  readonly invokedMs: number
}

/** An operation that has begun. It is unknown until one of these is called; the first call counts. */
export interface PendingOperation<O> {
  ok(output: O): void
  failed(): void
}

/** Operations in the order in which they really began and ended. */
export interface History<I, O> {
  readonly operations: readonly Operation<I, O>[]
  /** An operation begins now. */
  invoke(client: string, key: string, input: I): PendingOperation<O>
}

interface MutableOperation<I, O> extends Operation<I, O> {
  outcome: Outcome<O>
  returnedAt: number
}

export class RecordedHistory<I, O> implements History<I, O> {
  readonly operations: MutableOperation<I, O>[] = []
  readonly #nowMs: () => number
  /** Real time as an order: two events of one virtual millisecond still have one. */
  #events = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  invoke(client: string, key: string, input: I): PendingOperation<O> {
    const operation: MutableOperation<I, O> = {
      client,
      key,
      input,
      outcome: { status: 'unknown' },
      invokedAt: this.#events++,
      returnedAt: Infinity,
      invokedMs: this.#nowMs()
    }
    this.operations.push(operation)
    const end = (outcome: Outcome<O>): void => {
      if (operation.returnedAt === Infinity) {
        operation.outcome = outcome
        operation.returnedAt = this.#events++
      }
    }
    return {
      ok: (output) => end({ status: 'ok', output }),
      failed: () => end({ status: 'failed' })
    }
  }
}

/** The operations under each key, in order. */
export function byKey<T extends { readonly key: string }>(
  operations: readonly T[]
): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const operation of operations) {
    const same = found.get(operation.key)
    if (same === undefined) {
      found.set(operation.key, [operation])
    } else {
      same.push(operation)
    }
  }
  return found
}
