/** What one object does, one operation after the other. */
export interface Model<S, I, O> {
  readonly initial: S
  /**
   * The state after the operation, or undefined where it cannot have had this output in this state.
   * Without an output the outcome is unknown: the operation took effect and nobody saw its answer.
   */
  step(state: S, input: I, output: O | undefined): { readonly state: S } | undefined
  /** Equal for equal states, and for no others. */
  keyOf(state: S): string
}

export type RegisterValue = string | number | undefined

export type RegisterInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: RegisterValue }
  | { readonly kind: 'cas'; readonly from: RegisterValue; readonly to: RegisterValue }

export interface RegisterOutput {
  /** What a read found; undefined: nothing was written yet. */
  readonly value?: RegisterValue
  /** Whether a compare-and-set found what it expected. */
  readonly swapped?: boolean
}

/** A register with read, write and compare-and-set; empty (`undefined`) at first. */
export const registerModel: Model<RegisterValue, RegisterInput, RegisterOutput> = {
  initial: undefined,
  step: (state, input, output) => {
    switch (input.kind) {
      case 'read': {
        return output === undefined || output.value === state ? { state } : undefined
      }
      case 'write': {
        return { state: input.value }
      }
      case 'cas': {
        const swaps = state === input.from
        if (output !== undefined && output.swapped !== swaps) {
          return undefined
        }
        return { state: swaps ? input.to : state }
      }
    }
  },
  keyOf: (state) => `${typeof state}:${state}`
}

export type ListInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'append'; readonly element: string }

export interface ListOutput {
  /** What the operation saw, an append its own element included; undefined: it was not told. */
  readonly list?: readonly string[]
}

/**
 * A list that only grows. Appends find lost updates that blind writes hide: a blind write of unknown
 * outcome may legally land late.
 */
export const listModel: Model<readonly string[], ListInput, ListOutput> = {
  initial: [],
  step: (state, input, output) => {
    const next = input.kind === 'append' ? [...state, input.element] : state
    const seen = output?.list
    return seen === undefined || isSame(seen, next) ? { state: next } : undefined
  },
  keyOf: (state) => JSON.stringify(state)
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((element, at) => element === b[at])
}
