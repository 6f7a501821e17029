import type { AbortOptions } from '@libp2p/interface'
import type {
  DeadLetter,
  DeadLetters,
  PublishOptions,
  PublishResult,
  Signal,
  SignalRoute
} from '@murmuration/interface'
import { AbortedError } from '@murmuration/interface'
import type { DeadLetterRecord } from './core/records.ts'
import { decodeSignal } from './core/wire.ts'
import type { DeadLetterQueue } from './dead-letter-queue.ts'
import type { DurableSubscriptions } from './durable-subscriptions.ts'

export interface RedriveInit {
  readonly self: string
  readonly deadLetters: DeadLetterQueue
  readonly durable: DurableSubscriptions
  readonly publish: (signal: Signal, options: PublishOptions) => Promise<PublishResult>
}

/** The dead letters of this peer, and another chance for each. */
export class Redrive implements DeadLetters {
  readonly #init: RedriveInit
  /** What is being redriven, by id. */
  readonly #running = new Map<string, Promise<PublishResult>>()

  constructor(init: RedriveInit) {
    this.#init = init
  }

  list(): Promise<readonly DeadLetter[]> {
    return this.#init.deadLetters.list()
  }

  discard(id: string): Promise<void> {
    return this.#init.deadLetters.discard(id)
  }

  /** Who asks for the same again meanwhile, gets the same outcome. */
  async redrive(id: string, options: AbortOptions = {}): Promise<PublishResult> {
    if (options.signal?.aborted === true) {
      throw new AbortedError('the redrive was aborted before it began')
    }
    const running = this.#running.get(id) ?? this.#redrive(id, options)
    this.#running.set(id, running)
    try {
      return await running
    } finally {
      this.#running.delete(id)
    }
  }

  async #redrive(id: string, options: AbortOptions): Promise<PublishResult> {
    const { deadLetters, durable, publish, self } = this.#init
    const letter = await deadLetters.get(id)
    const signal = decodeSignal(letter.signal)
    const pump = durable.pumpOf(letter.subscription)
    if (pump === undefined) {
      const route = routeOf(letter)
      const result = await publish(signal, { ...options, route, delivery: 'at-least-once' })
      if (result.accepted) {
        await deadLetters.discard(id)
      }
      return result
    }
    // The subscription is here: it alone gets it, and the others are spared a repetition.
    try {
      await pump.redrive(signal, letter.author)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { id: signal.id, accepted: false, recipients: [], dropped: [{ peer: self, reason }] }
    }
    await deadLetters.discard(id)
    return { id: signal.id, accepted: true, copies: 0, recipients: [self], dropped: [] }
  }
}

/** To the peer of the subscription; to all for a group, of which nobody knows who is next. */
function routeOf({ channel, subscription }: DeadLetterRecord): SignalRoute {
  const owner = subscription.slice(0, subscription.lastIndexOf('/'))
  const peer = owner === 'group' ? /\/to\/([^/]+)$/.exec(channel)?.[1] : owner
  return peer === undefined ? 'cluster' : { targeted: [peer] }
}
