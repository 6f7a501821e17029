/** How often an agent may fail before it rests. */
export interface SupervisionLimits {
  /** Unexpected errors of its handlers within the time. */
  readonly failuresMax: number
  readonly withinMs: number
}

/** Why an agent rests, and until when. */
export interface Rest {
  readonly untilMs: number
  readonly reason: string
}

/** Counts the unexpected failures of one agent. */
export class Supervision {
  readonly #limits: SupervisionLimits
  #failures: number[] = []
  #rest: Rest | undefined

  constructor(limits: SupervisionLimits) {
    this.#limits = limits
  }

  /** Takes in a failure; gives the rest that follows if it was one too many. */
  failed(now: number, reason: string): Rest | undefined {
    const { failuresMax, withinMs } = this.#limits
    this.#failures = [...this.#failures.filter((at) => at > now - withinMs), now]
    if (this.#failures.length <= failuresMax) return undefined
    this.#failures = []
    this.#rest = { untilMs: now + withinMs, reason }
    return this.#rest
  }

  /** The rest that lasts now. */
  restAt(now: number): Rest | undefined {
    if (this.#rest !== undefined && now >= this.#rest.untilMs) this.#rest = undefined
    return this.#rest
  }
}
