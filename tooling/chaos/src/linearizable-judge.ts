import { checkAppendLists, checkLinearizable, listModel } from '@murmuration/testkit'
import type { ListInput, ListOutput, Operation } from '@murmuration/testkit'

type ListOperation = Operation<ListInput, ListOutput>

/** What the checkers say of a history. */
export interface Judgement {
  readonly result: 'linearizable' | 'violation' | 'undecided'
  readonly violations: readonly string[]
  /** Of lies that were told on purpose, by name, those that the search has not found. */
  readonly missed: readonly string[]
  /** Lies that were told: none where the history gives no occasion. */
  readonly lies: number
}

/** Looks for an order, and then whether it would have been missed in the same history with a lie in it. */
export function judge(operations: readonly ListOperation[]): Judgement {
  const found = checkLinearizable(operations, listModel)
  const violations = checkAppendLists(operations).map(({ rule, detail }) => `${rule}: ${detail}`)
  if (found.result === 'violation') violations.push(`no order for ${found.key}`)
  const told = Object.entries(lies).flatMap(([name, lie]) => {
    const lied = lie(operations)
    return lied === undefined ? [] : [{ name, lied }]
  })
  const missed = told
    .filter(({ lied }) => checkLinearizable(lied, listModel).result !== 'violation')
    .map(({ name }) => name)
  return { result: found.result, violations, missed, lies: told.length }
}

type Lie = (operations: readonly ListOperation[]) => readonly ListOperation[] | undefined

/** What a broken cluster would have shown its clients. */
const lies: Readonly<Record<string, Lie>> = {
  /** A read gives what was true before an append that had been acknowledged when it began. */
  'stale read': (operations) =>
    changed(operations, (one) => {
      const list = listOf(one)
      const last = list?.at(-1)
      const append = operations.find(
        ({ input, returnedAt }) =>
          input.kind === 'append' && input.element === last && returnedAt < one.invokedAt
      )
      return one.input.kind === 'read' && append !== undefined ? list?.slice(0, -1) : undefined
    }),
  /** An acknowledged append is in nobody's list. */
  'lost append': (operations) => {
    const lost = operations.find((one) => {
      const { input, outcome, key, returnedAt } = one
      const isRead = (other: ListOperation): boolean =>
        other.key === key && other.invokedAt > returnedAt && listOf(other) !== undefined
      return input.kind === 'append' && outcome.status === 'ok' && operations.some(isRead)
    })
    if (lost?.input.kind !== 'append') return undefined
    const { element } = lost.input
    return operations.map((one) =>
      withList(
        one,
        listOf(one)?.filter((each) => each !== element)
      )
    )
  },
  /** Two readers saw two appends in different orders. */
  'two orders': (operations) =>
    changed(operations, (one) => {
      const list = listOf(one)
      if (list === undefined || list.length < 2) return undefined
      const seen = operations.some((other) => other !== one && sees(other, one.key, list))
      return seen ? [...list.slice(0, -2), ...list.slice(-2).toReversed()] : undefined
    })
}

function sees(other: ListOperation, key: string, list: readonly string[]): boolean {
  return other.key === key && listOf(other)?.[list.length - 1] === list.at(-1)
}

/** The history with the first list changed for which there is another one. */
function changed(
  operations: readonly ListOperation[],
  change: (one: ListOperation) => readonly string[] | undefined
): readonly ListOperation[] | undefined {
  for (const [at, one] of operations.entries()) {
    const list = change(one)
    if (list !== undefined) return operations.with(at, withList(one, list))
  }
  return undefined
}

function withList(one: ListOperation, list: readonly string[] | undefined): ListOperation {
  return list === undefined ? one : { ...one, outcome: { status: 'ok', output: { list } } }
}

function listOf({ outcome }: ListOperation): readonly string[] | undefined {
  return outcome.status === 'ok' ? outcome.output.list : undefined
}
