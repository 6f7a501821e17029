import type { Clock } from '@murmuration/interface'
import type { BatchSeal, OpenedBatch } from './batches.ts'
import type { Dispatcher } from './core/dispatcher.ts'
import { InboundOrder } from './core/inbound-order.ts'
import type { Counters, RejectReason } from './counters.ts'
import * as defaults from './defaults.ts'
import type { GossipMessage, Verdict } from './gossip.ts'

export interface ClusterReceiverInit {
  readonly self: string
  readonly seal: BatchSeal
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly counters: Counters
  readonly report: (what: string, error: unknown) => void
}

/** Reasons that say nothing against the neighbour: it may have known no better. */
const blameless: ReadonlySet<RejectReason> = new Set([
  'not-a-member',
  'too-old',
  'from-the-future',
  'replayed',
  'overloaded'
])

/**
 * Judges what comes by gossip, once per batch, and hands on what is new. Batches of a topic are
 * judged one after the other: verifying several at once would mix up their order.
 */
export class ClusterReceiver {
  readonly #init: ClusterReceiverInit
  readonly #order: InboundOrder<OpenedBatch>
  readonly #tails = new Map<string, Promise<unknown>>()
  readonly #pending = new Map<string, number>()
  #pendingTotal = 0
  #cancelExpiry: (() => void) | undefined

  constructor(init: ClusterReceiverInit) {
    this.#init = init
    this.#order = new InboundOrder({
      holdMs: defaults.holdMs,
      holdBatchesMax: defaults.holdBatchesMax,
      gapsMax: defaults.gapsMax,
      streamsMax: defaults.streamsMax
    })
  }

  async judge(message: GossipMessage): Promise<Verdict> {
    const { from, topic } = message
    const pending = this.#pending.get(from) ?? 0
    if (this.#pendingTotal >= defaults.inboundMax || pending >= defaults.inboundPerPeerMax) {
      return this.#refuse('overloaded')
    }
    this.#pending.set(from, pending + 1)
    this.#pendingTotal += 1
    const verdict = (this.#tails.get(topic) ?? Promise.resolve()).then(() => this.#take(message))
    this.#tails.set(topic, verdict)
    try {
      return await verdict
    } finally {
      this.#pendingTotal -= 1
      const left = (this.#pending.get(from) ?? 1) - 1
      if (left === 0) {
        this.#pending.delete(from)
      } else {
        this.#pending.set(from, left)
      }
    }
  }

  /** This peer left a topic, so what it misses there is no loss. */
  left(topic: string): void {
    this.#order.pause(topic)
  }

  stop(): void {
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
  }

  /** Never throws, because the next message of the topic waits for it. */
  async #take({ bytes, topic }: GossipMessage): Promise<Verdict> {
    try {
      const opened = await this.#init.seal.open(bytes, topic)
      return typeof opened === 'string' ? this.#refuse(opened) : await this.#admit(opened, topic)
    } catch (error) {
      this.#init.report('a message could not be judged', error)
      return 'ignore'
    }
  }

  async #admit(batch: OpenedBatch, topic: string): Promise<Verdict> {
    const { clock, counters, self } = this.#init
    const age = clock.now() - batch.time
    if (age > defaults.ageMsMax) {
      return this.#refuse('too-old')
    }
    if (-age > defaults.ageMsMax) {
      return this.#refuse('from-the-future')
    }
    if (batch.author === self) {
      return this.#refuse('replayed')
    }
    const { author, boot, first, since } = batch
    const admission = this.#order.admit(
      { author, channel: topic, boot, first, since, count: batch.signals.length, item: batch },
      clock.monotonic()
    )
    if (!admission.admitted) {
      if (batch.attempt > 0) {
        counters.count('duplicate')
        return 'ignore'
      }
      return this.#refuse('replayed')
    }
    counters.count('batch-received')
    counters.count('missing', admission.missing)
    counters.count('late', admission.late)
    counters.count('lost', admission.lost)
    await this.#deliver(admission.ready)
    this.#scheduleExpiry()
    return 'accept'
  }

  #refuse(reason: RejectReason): Verdict {
    this.#init.counters.count(`rejected:${reason}`)
    return blameless.has(reason) ? 'ignore' : 'reject'
  }

  async #deliver(batches: readonly OpenedBatch[]): Promise<void> {
    for (const { author, signals } of batches) {
      for (const signal of signals) {
        // Nobody can be held back here, so this does not wait for slow handlers.
        // oxlint-disable-next-line no-await-in-loop
        await this.#init.dispatcher.dispatch(
          signal.type.split('.'),
          signal,
          { author },
          { wait: false }
        )
      }
    }
  }

  #scheduleExpiry(): void {
    const { clock, counters } = this.#init
    const at = this.#order.nextExpiry()
    if (at === undefined || this.#cancelExpiry !== undefined) {
      return
    }
    this.#cancelExpiry = clock.schedule(Math.max(0, at - clock.monotonic()), () => {
      this.#cancelExpiry = undefined
      const { lost, ready } = this.#order.expire(clock.monotonic())
      counters.count('lost', lost)
      this.#deliver(ready).catch((error: unknown) =>
        this.#init.report('signals could not be delivered', error)
      )
      this.#scheduleExpiry()
    })
  }
}
