import { byKey } from './history.ts'
import type { Operation } from './history.ts'
import type { ListInput, ListOutput } from './models.ts'
import type { Violation } from './violation.ts'

type ListOperation = Operation<ListInput, ListOutput>

interface Observed {
  readonly longest: readonly string[]
  readonly appends: ReadonlyMap<string, ListOperation>
}

/**
 * What linearizable lists that only grow look like, in time linear in what was observed: every
 * observed list is a prefix of the longest one; no element is in it twice, or was never appended;
 * its order keeps real time; and every operation sees all that was there when it began. Elements
 * must be unique. It decides less than `checkLinearizable`, for any number of operations.
 */
export function checkAppendLists(operations: readonly ListOperation[]): readonly Violation[] {
  return [...byKey(operations)].flatMap(([key, all]) => [...violationsOf(key, all)])
}

function* violationsOf(key: string, all: readonly ListOperation[]): Iterable<Violation> {
  const longest = all.reduce<readonly string[]>((found, one) => {
    const list = listOf(one)
    return list !== undefined && list.length > found.length ? list : found
  }, [])
  const appends = new Map<string, ListOperation>()
  for (const one of all) {
    if (one.input.kind === 'append') {
      appends.set(one.input.element, one)
    }
  }
  for (const one of all) {
    const list = listOf(one) ?? []
    const other = list.findIndex((element, at) => element !== longest[at])
    if (other >= 0) {
      const detail = `${key}: ${one.client} saw ${list[other]} at ${other}, others ${longest[other]}`
      yield { rule: 'observed lists are prefixes of each other', detail }
    }
  }
  yield* orderViolations(key, longest, appends)
  yield* timeViolations(key, all, { longest, appends })
}

/** The elements of the longest list against the appends that made them. */
function* orderViolations(
  key: string,
  longest: readonly string[],
  appends: ReadonlyMap<string, ListOperation>
): Iterable<Violation> {
  const seen = new Set<string>()
  let latest: ListOperation | undefined
  for (const element of longest) {
    if (seen.has(element)) {
      yield { rule: 'no element is there twice', detail: `${key}: ${element}` }
    }
    seen.add(element)
    const append = appends.get(element)
    if (append === undefined || append.outcome.status === 'failed') {
      const why = append === undefined ? 'was never appended' : 'failed'
      yield { rule: 'only what was appended is there', detail: `${key}: ${element} ${why}` }
      continue
    }
    if (latest !== undefined && append.returnedAt < latest.invokedAt) {
      const detail = `${key}: ${element} ended before an element in front of it began`
      yield { rule: 'the order keeps real time', detail }
    }
    latest = latest === undefined || append.invokedAt > latest.invokedAt ? append : latest
  }
}

/** What an operation saw against what was there when it began, and what had begun when it ended. */
function* timeViolations(
  key: string,
  all: readonly ListOperation[],
  { longest, appends }: Observed
): Iterable<Violation> {
  const positions = new Map(longest.map((element, at) => [element, at]))
  const ends = all
    .filter(({ outcome }) => outcome.status === 'ok')
    .toSorted((a, b) => a.returnedAt - b.returnedAt)
  let ended = 0
  let length = 0
  let lost: string | undefined
  for (const one of all.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (; (ends[ended]?.returnedAt ?? Infinity) < one.invokedAt; ended++) {
      const end = ends[ended]
      length = Math.max(length, end === undefined ? 0 : lengthKnownBy(end, positions))
      if (end?.input.kind === 'append' && !positions.has(end.input.element)) {
        lost ??= end.input.element
      }
    }
    const list = listOf(one)
    if (list === undefined) {
      continue
    }
    if (lost !== undefined) {
      const detail = `${key}: ${one.client} read after ${lost} was acknowledged, and nobody ever saw it`
      yield { rule: 'every acknowledged element is there', detail }
    } else if (list.length < length) {
      const detail = `${key}: ${one.client} saw ${list.length} elements where ${length} were there`
      yield { rule: 'observations are monotone in real time', detail }
    }
    yield* futureViolations(key, one, { list, appends })
  }
}

/** Only the last element needs a look: those before it were appended before it was. */
function* futureViolations(
  key: string,
  one: ListOperation,
  { list, appends }: { readonly list: readonly string[] } & Pick<Observed, 'appends'>
): Iterable<Violation> {
  const last = list.at(-1)
  if (last === undefined || one.input.kind === 'append') {
    if (one.input.kind === 'append' && last !== one.input.element) {
      const detail = `${key}: ${one.client} appended ${one.input.element} and then saw ${last} last`
      yield { rule: 'an append sees its own element last', detail }
    }
    return
  }
  const append = appends.get(last)
  if (append !== undefined && append.invokedAt > one.returnedAt) {
    const detail = `${key}: ${one.client} saw ${last} before its append began`
    yield { rule: 'nothing is seen before its time', detail }
  }
}

function lengthKnownBy(one: ListOperation, positions: ReadonlyMap<string, number>): number {
  const seen = listOf(one)?.length ?? 0
  const own = one.input.kind === 'append' ? (positions.get(one.input.element) ?? -1) + 1 : 0
  return Math.max(seen, own)
}

function listOf({ outcome }: ListOperation): readonly string[] | undefined {
  return outcome.status === 'ok' ? outcome.output.list : undefined
}
