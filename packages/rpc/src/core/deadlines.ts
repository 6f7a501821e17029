import type { Clock } from '@murmuration/interface'
import { fixed } from '../defaults.ts'

/** Something that ends at a time. An object and not a closure: one per call is created. */
export interface Expiring {
  /** Slice of time in which it expires; set by `Deadlines`. */
  slice: number
  expire(): void
}

/**
 * Very many deadlines on one timer. Time is cut into slices of `fixed.deadlineSliceMs`; each slice
 * holds the set of what expires in it, so adding and removing cost one operation on a set. Expires
 * never early, and late by at most one slice.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #slices = new Map<number, Set<Expiring>>()
  #armed = Number.POSITIVE_INFINITY
  #disarm: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds on the clock by which deadlines are counted. */
  now(): number {
    return this.#clock.monotonic()
  }

  /** Calls `entry.expire()` after `delayMs`, unless it is removed. */
  add(entry: Expiring, delayMs: number): void {
    const slice = Math.ceil((this.now() + delayMs) / fixed.deadlineSliceMs)
    entry.slice = slice
    const others = this.#slices.get(slice)
    if (others === undefined) this.#slices.set(slice, new Set([entry]))
    else others.add(entry)
    if (slice < this.#armed) this.#arm(slice)
  }

  remove(entry: Expiring): void {
    const slice = this.#slices.get(entry.slice)
    if (slice === undefined || !slice.delete(entry)) return
    if (slice.size > 0) return
    this.#slices.delete(entry.slice)
    // With nothing left to wait for, a timer would only keep the process alive.
    if (this.#slices.size === 0) this.#clear()
  }

  #clear(): void {
    this.#disarm?.()
    this.#disarm = undefined
    this.#armed = Number.POSITIVE_INFINITY
  }

  #arm(slice: number): void {
    this.#clear()
    this.#armed = slice
    const delayMs = Math.max(0, slice * fixed.deadlineSliceMs - this.now())
    this.#disarm = this.#clock.schedule(delayMs, () => this.#sweep())
  }

  #sweep(): void {
    this.#clear()
    const due = Math.floor(this.now() / fixed.deadlineSliceMs)
    const expired = [...this.#slices].filter(([slice]) => slice <= due)
    for (const [, entries] of expired) {
      for (const entry of entries) {
        this.remove(entry)
        entry.expire()
      }
    }
    let next = Number.POSITIVE_INFINITY
    for (const slice of this.#slices.keys()) next = Math.min(next, slice)
    if (next < this.#armed) this.#arm(next)
  }
}
