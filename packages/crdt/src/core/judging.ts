import { floorOf } from './collection.ts'
import { counterOf, writerOf } from './context.ts'
import { mutants } from './mutants.ts'
import type { State, Update } from './state.ts'
import type { DecodedUpdate } from './wire.ts'

/** Tells which updates belong to writers that were collected. A set of their names will do. */
export interface GoneWriters {
  has(writer: string, counter: number): boolean
}

/** The name of a delta's own writer. */
export function writerName(update: DecodedUpdate, state: State): string {
  return nameOf(update.writer, update, state)
}

function nameOf(place: number, { newcomers }: DecodedUpdate, state: State): string {
  const { writers } = state.context
  return writers[place] ?? newcomers[place - writers.length] ?? ''
}

/**
 * What to do with a delta that was made before the document's floor. Writers that it names and the
 * document does not know are either new, or were collected; with `gone` that can be told.
 */
export function judgeFloor(
  update: DecodedUpdate,
  state: State,
  gone: GoneWriters | undefined
): DecodedUpdate | 'duplicate' | 'below-floor' {
  const { context } = state
  if (update.floor >= floorOf(context) || mutants.ignoresFloor) return update
  const unknown = new Set(update.places.filter((place) => context.highest(place) === 0))
  if (unknown.size === 0) return update
  if (gone === undefined) return 'below-floor'
  const isGone = (place: number, counter: number): boolean =>
    unknown.has(place) && gone.has(nameOf(place, update, state), counter)
  // All that a collected writer wrote is here, and nothing of it lives: there is no more to remove.
  if (isGone(update.writer, update.first)) return 'duplicate'
  const effects = update.effects.map((effect) => ({
    ...effect,
    removed: effect.removed.filter((dot) => !isGone(writerOf(dot), counterOf(dot)))
  }))
  return { ...update, effects }
}

/** Whether updates of the same writer that came before this one are not here. */
export function hasGapBelow(update: Update, state: State): boolean {
  return state.context.prefix(update.writer) < update.first + update.count - 1
}
