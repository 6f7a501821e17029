import { combine, digestText, emptyDigest } from './digest.ts'
import type { Digest } from './digest.ts'
import type { Entry } from './entry.ts'
import { compareWriters, parseWriter } from './writers.ts'
import type { Writer } from './writers.ts'

/** A writer and all before it of the same life of a disk: nothing of theirs is missing any more. */
export interface Closing extends Writer {
  /** The highest counter of this writer that there was. */
  readonly last: number
}

/**
 * Whose updates are complete in the base, so that their names need not be kept to tell an update that
 * comes once more from a new one. One line for each life of a disk, however many writers it had.
 */
export class Closings {
  readonly list: readonly Closing[]
  readonly #byLife: ReadonlyMap<string, Closing>

  constructor(list: readonly Closing[] = []) {
    this.list = list.toSorted((a, b) => (a.life < b.life ? -1 : 1))
    this.#byLife = new Map(list.map((closing) => [closing.life, closing]))
  }

  get digest(): Digest {
    return this.list.reduce(
      (sum, { life, boot, number, last }) =>
        combine(sum, digestText([life, boot, number, last].join(' '))),
      emptyDigest
    )
  }

  of(life: string): Closing | undefined {
    return this.#byLife.get(life)
  }

  /** Whether all updates of a writer up to this one are in the base, or count for nothing. */
  has(name: string, counter: number): boolean {
    const found = this.#find(name)
    return found !== undefined && (found.order < 0 || (found.order === 0 && counter <= found.last))
  }

  /** Whether no writer of this name may begin another update. */
  hasWriter(name: string): boolean {
    return this.has(name, 1)
  }

  /** Whether this is an earlier writer of its life than the last one that was closed. */
  hasLater(name: string): boolean {
    const found = this.#find(name)
    return found !== undefined && found.order < 0
  }

  /**
   * Whether an entry comes late: what it did is in the base, or was lost before anybody was told of it.
   * One without dots did nothing, and only says what became of its key.
   */
  refuses({ count, first, writer }: Entry): boolean {
    return count > 0 && this.has(writer, first)
  }

  /** These and further ones; of one life the later. */
  with(others: readonly Closing[]): Closings {
    const byLife = new Map(this.#byLife)
    for (const closing of others) {
      const known = byLife.get(closing.life)
      if (known === undefined || isLater(closing, known)) byLife.set(closing.life, closing)
    }
    return new Closings([...byLife.values()])
  }

  #find(name: string): { readonly order: number; readonly last: number } | undefined {
    if (this.list.length === 0) return undefined
    const writer = parseWriter(name)
    const closing = writer === undefined ? undefined : this.#byLife.get(writer.life)
    if (writer === undefined || closing === undefined) return undefined
    return { order: compareWriters(writer, closing), last: closing.last }
  }
}

function isLater(a: Closing, b: Closing): boolean {
  return (compareWriters(a, b) || a.last - b.last) > 0
}
