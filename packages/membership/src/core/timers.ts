/** What the state machine waits for. */
export type TimerName =
  | 'beat'
  | 'propose'
  | 'attempt'
  | 'join'
  | 'meet'
  | 'leave'
  | 'lapse'
  | 'renew'

const order: readonly TimerName[] = [
  'attempt',
  'beat',
  'propose',
  'join',
  'meet',
  'leave',
  'lapse',
  'renew'
]

/** At most one time per name; the shell keeps one real timer for the earliest. */
export class Timers {
  readonly #at = new Map<TimerName, number>()

  set(name: TimerName, at: number): void {
    this.#at.set(name, at)
  }

  /** Keeps the earlier of the two times. */
  sooner(name: TimerName, at: number): void {
    this.#at.set(name, Math.min(at, this.#at.get(name) ?? at))
  }

  has(name: TimerName): boolean {
    return this.#at.has(name)
  }

  clear(...names: readonly TimerName[]): void {
    for (const name of names) {
      this.#at.delete(name)
    }
  }

  get next(): number | undefined {
    return this.#at.size === 0 ? undefined : Math.min(...this.#at.values())
  }

  /** Takes out all that are due. */
  due(now: number): readonly TimerName[] {
    const due = order.filter((name) => (this.#at.get(name) ?? Infinity) <= now)
    this.clear(...due)
    return due
  }
}
