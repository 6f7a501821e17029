import { checkLinearizable } from '@murmuration/testkit'
import type { History, Model, Operation } from '@murmuration/testkit'

/** An operation on a register whose values are lists as text, such as `1,2`; empty: there is none. */
export interface RegisterInput {
  /** The value after it, from the value before it. */
  readonly apply: (value: string) => string
}

/** What clients did; the output of an operation is the value that it found. */
export type RegisterHistory = History<RegisterInput, string>

/** Throws unless the operations under each key are linearizable, also where that was not decided. */
export function assertRegisters({ operations }: RegisterHistory): void {
  for (const key of new Set(operations.map((operation) => operation.key))) {
    const own = operations.filter((operation) => operation.key === key)
    const { result } = checkLinearizable(own, modelFor(own))
    if (result !== 'linearizable') {
      throw new Error(`${key} is ${result === 'violation' ? 'not linearizable' : 'undecided'}`)
    }
  }
}

function modelFor(
  operations: readonly Operation<RegisterInput, string>[]
): Model<string, RegisterInput, string> {
  const observed = observedIn(operations)
  return {
    initial: '',
    step: (state, { apply }, found) => {
      if (found !== undefined && found !== state) {
        return undefined
      }
      const next = apply(state)
      return found !== undefined || observed.has(next) ? { state: next } : undefined
    },
    keyOf: (state) => state
  }
}

/** An unanswered change matters only if somebody saw what it led to, at once or through later ones. */
function observedIn(operations: readonly Operation<RegisterInput, string>[]): ReadonlySet<string> {
  const observed = new Set([''])
  for (const { outcome } of operations) {
    const found = outcome.status === 'ok' ? outcome.output : ''
    for (
      let end = found.length;
      end > 0 && !observed.has(found.slice(0, end));
      end = found.lastIndexOf(',', end - 1)
    ) {
      observed.add(found.slice(0, end))
    }
  }
  return observed
}
