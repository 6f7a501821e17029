import type { VersionVector } from '@murmuration/interface'
import { writerOf } from './context.ts'
import type { Context } from './context.ts'
import type { Field } from './fields.ts'
import { addSums } from './fields.ts'
import { mutants } from './mutants.ts'
import type { State } from './state.ts'

/*
 * What deletions leave behind is nothing but the version vector (writers, and their sums in
 * counters). A collection takes writers out of it that will never write again: their sums move into
 * one common sum, their entries go. It is agreed once by the whole replica set and numbered; its
 * number, the floor, stands in the vector under a name that no writer can have. So a late delta from
 * below the floor is not mistaken for news: who does not know a writer cannot tell whether it is new
 * or gone, and says so instead of guessing.
 */

/** Stands for all writers that are gone. Its counter is the floor. */
export const FLOOR_WRITER = '~'

/** Writers to be taken out of the version vector, agreed by all replicas. */
export interface Collection {
  /** 1 for the first one of a document, then rising by one. */
  readonly floor: number
  /** The writers that are gone, each with its last counter. */
  readonly writers: VersionVector
}

export function floorOf(context: Context): number {
  const place = context.place(FLOOR_WRITER)
  return place === undefined ? 0 : context.prefix(place)
}

/** Writers of which nothing lives, all is here, and nobody waits for anything. */
export function retirableWriters(state: State): VersionVector {
  const { context } = state
  const kept = new Set<number>()
  for (const field of state.all()) for (const dot of livingDots(field)) kept.add(writerOf(dot))
  const result: Record<string, number> = {}
  for (const [place, writer] of context.writers.entries()) {
    const last = context.prefix(place)
    if (last === 0 || writer === FLOOR_WRITER || kept.has(place)) continue
    if (context.runs(place).length === 0) result[writer] = last
  }
  return result
}

/** All dots by which a field could be changed, ordered or completed. */
function* livingDots(field: Field): Generator<number> {
  yield* field.pending ?? []
  switch (field.shape) {
    case 'entries':
      for (const { dot } of field.entries) yield dot
      return
    case 'set':
      yield* field.dots.keys()
      return
    case 'counter':
      yield* field.extras.keys()
      return
    case 'list':
      for (const { dot, position, moves } of field.elements.values()) {
        yield dot
        yield* dotsOf(position)
        for (const move of moves) yield* [move.dot, ...dotsOf(move.position)]
      }
      for (const [owner, moves] of field.ghosts) {
        yield owner
        for (const move of moves) yield* [move.dot, ...dotsOf(move.position)]
      }
  }
}

function dotsOf(position: readonly number[]): readonly number[] {
  return position.filter((_, i) => i % 2 === 1)
}

/** Takes the writers out. `gap`: something of them is missing or lives; then nothing changed. */
export function collectState(
  state: State,
  { floor, writers }: Collection
): 'collected' | 'duplicate' | 'gap' {
  const { context } = state
  const current = floorOf(context)
  if (floor <= current) return 'duplicate'
  if (floor > current + 1) return 'gap'
  const retirable = retirableWriters(state)
  const gone = Object.entries(writers)
  const isComplete = gone.every(([writer, last]) => retirable[writer] === last)
  if (!isComplete && !mutants.collectsUnchecked) return 'gap'
  const base = context.intern(FLOOR_WRITER)
  const places = gone.map(([writer]) => context.intern(writer))
  for (const field of state.all()) {
    if (field.shape !== 'counter') continue
    for (const place of places) {
      const sum = field.sums.get(place)
      if (sum === undefined) continue
      field.sums.delete(place)
      field.sums.set(base, addSums(field.sums.get(base) ?? 0, sum))
    }
  }
  for (const place of places) context.drop(place)
  context.add(base, 1, floor)
  return 'collected'
}
