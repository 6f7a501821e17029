import type { DeadLetter, SignalEvents } from '@murmuration/interface'
import { TypedEventEmitter } from 'main-event'
import type { TypedEventTarget } from 'main-event'
import type { Loss } from './core/inbound-order.ts'
import type { Counters } from './counters.ts'

/** Tells of what went wrong for good, each with its reason. */
export class Events {
  readonly #target = new TypedEventEmitter<SignalEvents>()
  readonly #counters: Counters

  constructor(counters: Counters) {
    this.#counters = counters
  }

  get target(): TypedEventTarget<SignalEvents> {
    return this.#target
  }

  loss({ author, boot, channel, from, to }: Loss, reason: string): void {
    const detail = { author, boot, channel, from, to, reason }
    this.#target.safeDispatchEvent('loss', { detail })
  }

  dead(detail: DeadLetter): void {
    this.#target.safeDispatchEvent('dead-letter', { detail })
  }

  dropped(detail: DeadLetter): void {
    this.#target.safeDispatchEvent('dead-letter-dropped', { detail })
  }

  corrupt(key: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#counters.count('corrupt')
    this.#target.safeDispatchEvent('corrupt', { detail: { key, reason } })
  }
}
