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
 * document does not know are either new, or were collected; with `gone` that can be told, also for
 * deltas that were made by whoever collected others.
 */
export function judgeFloor(
  update: DecodedUpdate,
  state: State,
  gone: GoneWriters | undefined
): DecodedUpdate | 'duplicate' | 'below-floor' {
  const { context } = state
  if (mutants.ignoresFloor) return update
  if (gone === undefined) {
    if (update.floor >= floorOf(context)) return update
    const isKnown = update.places.every((place) => context.highest(place) > 0)
    return isKnown ? update : 'below-floor'
  }
  const isGone = (place: number, counter: number): boolean =>
    !context.hasCounter(place, counter) && gone.has(nameOf(place, update, state), counter)
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
