import type { LogRow } from './core/log-index.ts'
import { typeSegments } from './core/pattern.ts'
import { encodeSignal } from './core/wire.ts'
import type { DeadLetterQueue } from './dead-letter-queue.ts'
import type { Expired, SignalLog } from './log.ts'
import type { Progress } from './progress.ts'
import type { Registrations } from './registrations.ts'

export interface ExpiringInit {
  readonly log: SignalLog
  readonly progress: Progress
  readonly registrations: Registrations
  readonly deadLetters: DeadLetterQueue
  /** Channel of signals for another peer alone. */
  readonly targetOf: (peer: string) => string
  /** Whether a durable subscription is open here. */
  readonly isOpen: (id: string) => boolean
}

/** Makes dead letters of what was promised to durable subscriptions and leaves the log unhandled. */
export class Expiring {
  readonly #init: ExpiringInit

  constructor(init: ExpiringInit) {
    this.#init = init
  }

  async expire(row: LogRow): Promise<Expired> {
    const { deadLetters, isOpen, log, progress } = this.#init
    const batch = row.durable ? await log.open(row) : undefined
    const letters: Expired['letters'][number][] = []
    const handled: { readonly id: string; readonly sequence: number }[] = []
    for (const [index, signal] of (batch?.signals ?? []).entries()) {
      const sequence = row.first + index
      for (const id of this.#promised(row, typeSegments(signal.type))) {
        if (!progress.of(id, row.stream).has(sequence)) {
          // One at a time, because they have a bound.
          // oxlint-disable-next-line no-await-in-loop
          const letter = await deadLetters.prepare({
            subscription: id,
            author: row.stream.author,
            channel: row.stream.channel,
            reason: 'not handled before it had to leave the log',
            attempts: 0,
            signal: encodeSignal(signal)
          })
          letters.push(...letter)
          if (isOpen(id)) {
            handled.push({ id, sequence })
          }
        }
      }
    }
    return {
      letters,
      // Not before: a crash in between would leave neither the signal nor its letter.
      written: () => {
        for (const { id, sequence } of handled) {
          progress.add(id, row.stream, sequence, sequence)
        }
      }
    }
  }

  /** The subscriptions to which a signal of an entry was promised, as far as this peer must care. */
  #promised(row: LogRow, type: readonly string[]): ReadonlySet<string> {
    const { isOpen, registrations, targetOf } = this.#init
    const ids = new Set<string>()
    for (const { registration, since } of registrations.matching(type)) {
      const { id, peer } = registration
      const { channel } = row.stream
      const forOther = channel.includes('/to/') && channel !== targetOf(peer)
      if ((row.copy || isOpen(id)) && !forOther && since <= row.loggedAt) {
        ids.add(id)
      }
    }
    return ids
  }
}
