import { collectFrom } from './base.ts'
import type { Base, CollectStep } from './base.ts'
import type { Closing } from './closings.ts'
import { ownSessionPrefix } from './copy-state.ts'
import { Deriving } from './deriving.ts'
import { combine } from './digest.ts'
import type { Entry } from './entry.ts'
import type { EntrySet } from './entry-set.ts'
import type { Mutants } from './mutants.ts'
import { compareWriters, parseWriter } from './writers.ts'
import type { Writer } from './writers.ts'
import type { Epoch } from '@murmuration/interface'

/** Stands for the number of collections in versions. */
const floorWriter = '~'

export interface CollectInit {
  readonly by: Epoch
  /** The writer of the owner, which goes on. */
  readonly writer: string | undefined
  /** Whether all that a life of a disk ever made is here: it is a replica that holds the same. */
  readonly isWhole: (life: string) => boolean
  /** To be forgotten: all replicas have what they have. */
  readonly sessions: readonly string[]
  /** Names that must become free: fewer are not worth it. */
  readonly least: number
}

/**
 * The step that takes writers out of the base, or undefined where too few would go.
 *
 * The base is what every replica of the one unsettled home set has confirmed, so a writer is complete
 * when all that is known of it is in the base. Updates travel in order, and a copy under an earlier
 * writer of a life travels whole before the first update under a later one; so nothing more can come
 * under the last known writer of each life or those before, but updates after the last known one.
 * Where some in between are missing they may have been overtaken: then only the life itself can tell.
 */
export function planCollection(
  base: Base,
  entries: EntrySet,
  init: CollectInit,
  mutants: Mutants
): CollectStep | undefined {
  const { sessions } = init
  const leaving = sessions.flatMap((name) => entries.below(name, Number.POSITIVE_INFINITY))
  const document = new Deriving(base, entries).folded(leaving)
  const heads: Record<string, number> = { ...document.heads }
  const open = new Openings()
  if (init.writer !== undefined) open.add(init.writer)
  const isLeaving = new Set(sessions)
  for (const { count, first, session, writer } of entries.values()) {
    if (isLeaving.has(session)) continue
    if (mutants.collectUnfolded !== true) open.add(writer)
    else heads[writer] = Math.max(heads[writer] ?? 0, first + count - 1)
  }
  for (const { writer } of document.missing) {
    const life = parseWriter(writer)?.life
    if (life !== undefined && !init.isWhole(life)) open.add(writer)
  }
  const known = base.closings
  const closings = lastClosed([...Object.keys(heads), ...ownWriters(entries)], open).map(
    (writer): Closing => {
      const last =
        heads[writer.name] ?? (known.has(writer.name, 1) ? known.of(writer.life)?.last : 0)
      return { life: writer.life, boot: writer.boot, number: writer.number, last: last ?? 0 }
    }
  )
  const after = known.with(closings)
  const gone = collectFrom(document, after).length
  const floors = ownWriters(entries).filter((name) => after.hasLater(name)).length
  if (gone + floors < init.least && sessions.length === 0) return undefined
  const from = combine(base.digest, entries.digestOfRest(sessions))
  return { from, by: init.by, closings, sessions }
}

/** Who made the updates without a key, of which floors are kept. */
function ownWriters(entries: EntrySet): string[] {
  return entries
    .floors()
    .filter(([session]) => session.startsWith(ownSessionPrefix))
    .map(([session]) => session.slice(ownSessionPrefix.length))
}

/** The names that a copy keeps for updates that are folded: of its writers, and of their sessions. */
export function countNames(version: Readonly<Record<string, number>>, entries: EntrySet): number {
  return Object.keys(version).length + ownWriters(entries).length
}

interface NamedWriter extends Writer {
  readonly name: string
}

/** Of each life the last writer before all those that are still open. */
function lastClosed(names: readonly string[], open: Openings): NamedWriter[] {
  const last = new Map<string, NamedWriter>()
  for (const name of names) {
    const writer = name === floorWriter ? undefined : parseWriter(name)
    if (writer === undefined || open.isFrom(writer)) continue
    const before = last.get(writer.life)
    if (before === undefined || compareWriters(before, writer) < 0) {
      last.set(writer.life, { ...writer, name })
    }
  }
  return [...last.values()]
}

/** The first writer of each life that may have more to come. */
class Openings {
  readonly #first = new Map<string, Writer>()

  add(name: Entry['writer']): void {
    const writer = parseWriter(name)
    if (writer === undefined) return
    const first = this.#first.get(writer.life)
    if (first === undefined || compareWriters(writer, first) < 0) {
      this.#first.set(writer.life, writer)
    }
  }

  isFrom(writer: Writer): boolean {
    const first = this.#first.get(writer.life)
    return first !== undefined && compareWriters(writer, first) >= 0
  }
}
