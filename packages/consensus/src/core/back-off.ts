import type { ProposerContext } from './proposer.ts'

/** Lets one of several proposers of a register pass: each waits for a random time, longer with each failure. */
export class BackOff {
  readonly #context: ProposerContext
  #failures = 0
  /** When the present round, or the one before it that it rests on, was begun. */
  #begunAt = 0

  constructor(context: ProposerContext) {
    this.#context = context
  }

  begin(): void {
    this.#begunAt = this.#context.ports.now()
  }

  succeed(): void {
    this.#failures = 0
  }

  /** How long to wait after one more failure, for whatever reason. Unit: ms. */
  fail(isContended: boolean): number {
    const { ports, settings } = this.#context
    const { first, longest, rounds } = settings.backOffMs
    const roundMs = isContended && rounds > 0 ? ports.now() - this.#begunAt : 0
    const ceiling = Math.max(longest, rounds * roundMs)
    const limit = Math.min(ceiling, Math.max(first, roundMs) * 2 ** Math.min(this.#failures, 16))
    this.#failures++
    return ports.random() * limit
  }
}
