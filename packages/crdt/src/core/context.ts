import { limits } from '../defaults.ts'

/** In memory a dot is one number: the writer's place in the table, then 40 bits of counter. */
const SPAN = limits.counterMax + 1

/** The place of a dot's writer in the table of its context. */
export function writerOf(dot: number): number {
  return Math.floor(dot / SPAN)
}

export function counterOf(dot: number): number {
  return dot % SPAN
}

export function dotOf(writer: number, counter: number): number {
  return writer * SPAN + counter
}

const noWriters: readonly string[] = Object.freeze([])

/** Writers that are found faster by looking at each than by a map. */
const SEARCHED_MAX = 8

/** A run of counters of one writer, both ends included. */
export interface Run {
  readonly writer: string
  readonly from: number
  readonly to: number
}

/**
 * Which updates a document contains: per writer a contiguous prefix from 1, and runs above holes.
 * The writer table only grows; what is encoded is computed from what is mentioned.
 */
export class Context {
  // Replaced when they grow, which is rare: pushed arrays and small maps would take more room than
  // all the rest of a small document.
  #writers: readonly string[]
  #prefixes: number[]
  /** Per writer [from, to, from, to …], ascending, never touching; undefined without holes. */
  #runs: (number[] | undefined)[]
  /** Places by writer, once there are too many to search. */
  #places: Map<string, number> | undefined
  #runCount: number

  constructor(source?: Context) {
    this.#writers = source === undefined ? noWriters : source.#writers
    this.#prefixes = source === undefined ? [] : source.#prefixes.slice()
    this.#runs = source === undefined ? [] : source.#runs.map((runs) => runs?.slice())
    const places = source === undefined ? undefined : source.#places
    this.#places = places === undefined ? undefined : new Map(places)
    this.#runCount = source === undefined ? 0 : source.#runCount
  }

  /** The writer table: a place is an index into it. */
  get writers(): readonly string[] {
    return this.#writers
  }

  /** Nothing seen, with the same writer table. */
  emptyCopy(): Context {
    const copy = new Context()
    for (const writer of this.#writers) copy.intern(writer)
    return copy
  }

  /** Runs above holes, over all writers. */
  get runCount(): number {
    return this.#runCount
  }

  /** The place of a writer, or undefined if it was never met. */
  place(writer: string): number | undefined {
    if (this.#places !== undefined) return this.#places.get(writer)
    const place = this.#writers.indexOf(writer)
    return place < 0 ? undefined : place
  }

  /** The place of a writer, made if need be. */
  intern(writer: string): number {
    const known = this.place(writer)
    if (known !== undefined) return known
    const place = this.#writers.length
    this.#writers = [...this.#writers, writer]
    this.#prefixes = [...this.#prefixes, 0]
    this.#runs = [...this.#runs, undefined]
    if (this.#places !== undefined) this.#places.set(writer, place)
    else if (place >= SEARCHED_MAX) {
      this.#places = new Map(this.#writers.map((name, index) => [name, index]))
    }
    return place
  }

  prefix(writer: number): number {
    return this.#prefixes[writer] ?? 0
  }

  runs(writer: number): readonly number[] {
    return this.#runs[writer] ?? []
  }

  /** The highest counter seen of a writer. */
  highest(writer: number): number {
    return this.#runs[writer]?.at(-1) ?? this.prefix(writer)
  }

  has(dot: number): boolean {
    const writer = writerOf(dot)
    return this.hasCounter(writer, dot - writer * SPAN)
  }

  hasCounter(writer: number, counter: number): boolean {
    if (counter <= (this.#prefixes[writer] ?? 0)) return true
    const runs = this.#runs[writer]
    if (runs === undefined) return false
    // The first run that ends at or after the counter.
    let low = 0
    let high = runs.length >> 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((runs[middle * 2 + 1] ?? 0) < counter) low = middle + 1
      else high = middle
    }
    return (runs[low * 2] ?? Infinity) <= counter
  }

  /** Whether a dot is in the contiguous part. */
  hasPrefix(dot: number): boolean {
    const writer = writerOf(dot)
    return dot - writer * SPAN <= (this.#prefixes[writer] ?? 0)
  }

  /** Whether all of from..to of a writer was seen. */
  covers(writer: number, from: number, to: number): boolean {
    if (to <= (this.#prefixes[writer] ?? 0)) return true
    const runs = this.#runs[writer]
    if (runs === undefined) return false
    for (let i = 0; i < runs.length; i += 2) {
      if ((runs[i] ?? 0) <= from) {
        if ((runs[i + 1] ?? 0) >= to) return true
      } else return false
    }
    return false
  }

  /** Adds from..to of a writer. True if a hole was filled, so that runs joined the prefix. */
  add(writer: number, from: number, to: number): boolean {
    const prefix = this.#prefixes[writer] ?? 0
    const runs = this.#runs[writer]
    if (runs === undefined) {
      if (from <= prefix + 1) this.#prefixes[writer] = Math.max(prefix, to)
      else {
        this.#runs[writer] = [from, to]
        this.#runCount++
      }
      return false
    }
    const before = runs.length >> 1
    insertRun(runs, from, to)
    let joined = prefix
    let dropped = 0
    while (dropped < runs.length && (runs[dropped] ?? 0) <= joined + 1) {
      joined = Math.max(joined, runs[dropped + 1] ?? 0)
      dropped += 2
    }
    runs.splice(0, dropped)
    this.#runCount += (runs.length >> 1) - before
    if (runs.length === 0) this.#runs[writer] = undefined
    this.#prefixes[writer] = joined
    return joined > prefix
  }

  /** Takes a writer out of what was seen; its place stays. */
  drop(writer: number): void {
    this.#runCount -= (this.#runs[writer]?.length ?? 0) >> 1
    this.#prefixes[writer] = 0
    this.#runs[writer] = undefined
  }

  /** What is missing of a writer up to `known`, the highest counter that is known to exist. */
  missing(writer: number, known: number, into: Run[]): void {
    let next = this.prefix(writer) + 1
    const name = this.#writers[writer] ?? ''
    const runs = this.#runs[writer] ?? []
    for (let i = 0; i < runs.length; i += 2) {
      into.push({ writer: name, from: next, to: (runs[i] ?? 0) - 1 })
      next = (runs[i + 1] ?? 0) + 1
    }
    if (known >= next) into.push({ writer: name, from: next, to: known })
  }

  /** Orders two dots by writer name, then counter: the same on every replica. */
  compare(a: number, b: number): number {
    const writerA = writerOf(a)
    const writerB = writerOf(b)
    if (writerA === writerB) return a - b
    return (this.#writers[writerA] ?? '') < (this.#writers[writerB] ?? '') ? -1 : 1
  }
}

/** Adds a run to ascending runs, joining those that it overlaps or touches. */
function insertRun(runs: number[], from: number, to: number): void {
  let start = 0
  while (start < runs.length && (runs[start + 1] ?? 0) + 1 < from) start += 2
  let end = start
  let low = from
  let high = to
  while (end < runs.length && (runs[end] ?? 0) <= high + 1) {
    low = Math.min(low, runs[end] ?? low)
    high = Math.max(high, runs[end + 1] ?? high)
    end += 2
  }
  runs.splice(start, end - start, low, high)
}
