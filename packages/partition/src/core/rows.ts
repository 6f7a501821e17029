import { integer, list, message, object, oneOf, text } from '@murmuration/codec'
import type { Reachability, View } from '@murmuration/interface'
import { defaults } from '../defaults.ts'
import type { Row } from './links.ts'

const name = text({ max: 128 })
const count = integer({ min: 0 })
const entry = object({ peer: name, state: oneOf('suspected', 'unreachable') })
const row = object({
  observer: name,
  /** Rises with every row of this observer: boot, then count. */
  boot: count,
  count,
  ageMs: integer({ min: 0, max: defaults.reportAgeMaxMs }),
  entries: list(entry, { max: defaults.entriesMax })
})

/** What one member sends: its own row, and those of others that it heard of. */
const report = message({ rows: list(row, { max: defaults.rowsMax }) })

interface Heard {
  readonly boot: number
  readonly count: number
  readonly heardMs: number
  readonly row: Row
}

/** The reports of all members, each the newest that was heard, for as long as it is fresh. */
export class Rows {
  readonly #self: string
  readonly #boot: number
  readonly #rows = new Map<string, Heard>()
  #count = 0

  constructor(self: string, boot: number) {
    this.#self = self
    this.#boot = boot
  }

  /** Sets what this peer sees. */
  see(reachability: ReadonlyMap<string, Reachability>, nowMs: number): void {
    const own: Row = new Map([...reachability].filter(([, state]) => state !== 'reachable'))
    this.#count++
    const heard = { boot: this.#boot, count: this.#count, heardMs: nowMs, row: own }
    this.#rows.set(this.#self, heard)
  }

  /** Takes the rows of a report. True if they tell anything new. */
  hear(bytes: Uint8Array, nowMs: number): boolean {
    let isNews = false
    for (const told of report.decode(bytes).rows) {
      if (told.observer === this.#self) continue
      const known = this.#rows.get(told.observer)
      const isOlder =
        known !== undefined &&
        (told.boot < known.boot || (told.boot === known.boot && told.count <= known.count))
      if (isOlder || (known === undefined && this.#rows.size > defaults.rowsMax)) continue
      const next: Row = new Map(told.entries.map(({ peer, state }) => [peer, state]))
      isNews ||= known === undefined ? next.size > 0 : !isSame(known.row, next)
      const heardMs = nowMs - told.ageMs
      this.#rows.set(told.observer, { boot: told.boot, count: told.count, heardMs, row: next })
    }
    return isNews
  }

  /** Forgets what is old, and who is no member. True if anything was forgotten. */
  expire(view: View, nowMs: number): boolean {
    const members = new Set(view.members.map(({ peer }) => peer))
    let isNews = false
    for (const [observer, { heardMs }] of this.#rows) {
      if (observer === this.#self) continue
      if (members.has(observer) && nowMs - heardMs <= defaults.reportAgeMaxMs) continue
      this.#rows.delete(observer)
      isNews = true
    }
    return isNews
  }

  /** Whether anybody misses anybody: while nobody does, there is nothing to tell. */
  get isTroubled(): boolean {
    return [...this.#rows.values()].some((heard) => heard.row.size > 0)
  }

  encode(nowMs: number): Uint8Array {
    const rows = [...this.#rows].slice(0, defaults.rowsMax).map(([observer, heard]) => ({
      observer,
      boot: heard.boot,
      count: heard.count,
      ageMs: Math.min(defaults.reportAgeMaxMs, Math.max(0, Math.round(nowMs - heard.heardMs))),
      entries: [...heard.row]
        .slice(0, defaults.entriesMax)
        .flatMap(([peer, state]) => (state === 'reachable' ? [] : [{ peer, state }]))
    }))
    return report.encode({ rows })
  }

  get all(): ReadonlyMap<string, Row> {
    return new Map([...this.#rows].map(([observer, heard]) => [observer, heard.row]))
  }
}

export function isSame(a: Row, b: Row): boolean {
  return a.size === b.size && [...a].every(([peer, state]) => b.get(peer) === state)
}
