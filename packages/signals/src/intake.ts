import type { Clock, StoreOperation } from '@murmuration/interface'
import type { BatchSeal, OpenedBatch } from './batches.ts'
import type { Budget } from './core/budget.ts'
import type { Dispatcher } from './core/dispatcher.ts'
import type { Loss, Release } from './core/inbound-order.ts'
import type { Mutants } from './core/mutants.ts'
import type { StreamName } from './core/streams.ts'
import { shortName } from './core/wire.ts'
import type { Counters, RejectReason } from './counters.ts'
import * as defaults from './defaults.ts'
import type { GossipMessage, Verdict } from './gossip.ts'
import type { SignalLog } from './log.ts'
import type { Orders } from './orders.ts'

export interface IntakeInit {
  readonly self: string
  readonly seal: BatchSeal
  readonly dispatcher: Dispatcher
  readonly log: SignalLog
  readonly orders: Orders
  readonly budget: Budget
  readonly clock: Clock
  readonly counters: Counters
  readonly mutants: Mutants
  /** Whether this peer listens on a channel; what comes on others is kept for others only. */
  readonly listens: (channel: string) => boolean
  /** Peers that listen on a channel. */
  readonly subscribers: (channel: string) => readonly string[]
  /** Something is missing that may be asked for. */
  readonly onGap: (name: StreamName) => void
  readonly onLoss: (loss: Loss, reason: string) => void
  readonly report: (what: string, error: unknown) => void
}

/** How a batch came. `repair`: brought from a log of whoever had it. */
export type Source = 'gossip' | 'push' | 'repair'

export interface TakeOptions {
  readonly sync: boolean
  readonly copy: boolean
}

/** Reasons that say nothing against the neighbour: it may have known no better. */
const blameless: ReadonlySet<RejectReason> = new Set([
  'not-a-member',
  'too-old',
  'from-the-future',
  'replayed',
  'overloaded',
  'over-budget'
])

/**
 * Judges batches that come by any way, once each, logs what is new and hands it on in order. Those of
 * a channel are taken one after the other: verifying several at once would mix up their order.
 */
export class Intake {
  readonly #init: IntakeInit
  readonly #tails = new Map<string, Promise<unknown>>()
  readonly #pending = new Map<string, number>()
  #pendingTotal = 0
  #cancelExpiry: (() => void) | undefined

  constructor(init: IntakeInit) {
    this.#init = init
  }

  async judge(message: GossipMessage): Promise<Verdict> {
    const { from, topic } = message
    const { budget, clock } = this.#init
    if (!budget.take(from, message.bytes.length, clock.monotonic())) {
      return this.#refuse('over-budget')
    }
    const pending = this.#pending.get(from) ?? 0
    if (this.#pendingTotal >= defaults.inboundMax || pending >= defaults.inboundPerPeerMax) {
      return this.#refuse('overloaded')
    }
    this.#pending.set(from, pending + 1)
    this.#pendingTotal += 1
    try {
      return await this.#inTurn(topic, () => this.#judge(message))
    } catch (error) {
      this.#init.report('a message could not be judged', error)
      return 'ignore'
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

  /** Takes a batch that somebody handed over; says why not, or `logged`. */
  async take(
    bytes: Uint8Array,
    source: Source,
    options: TakeOptions,
    channel?: string
  ): Promise<RejectReason | 'logged'> {
    const opened = await this.#init.seal.open(bytes, channel)
    if (typeof opened === 'string') {
      this.#refuse(opened)
      return opened
    }
    await this.#inTurn(opened.channel, () => this.#admit(opened, source, options))
    return 'logged'
  }

  /** Takes a batch for this peer alone from its author, who waits for the outcome; false: known. */
  targeted(batch: OpenedBatch): Promise<boolean> {
    return this.#inTurn(batch.channel, async () => {
      const { clock, counters, mutants, orders } = this.#init
      const { author, boot, channel, count, durable, first } = batch
      const { admitted } = orders
        .of(channel)
        .admit(
          { author, boot, channel, first, since: first, count, item: batch },
          clock.monotonic()
        )
      const sync = durable && mutants.copyNotSynced !== true
      const options = { sync, copy: durable, repaired: true, extra: orders.markOf(batch) }
      await this.#init.log.append(batch, options)
      counters.count(admitted ? 'batch-received' : 'rejected:replayed')
      return admitted
    })
  }

  /** Gives up what is missing of a stream up to there. */
  giveUp(name: StreamName, to: number, reason: string): void {
    this.#release(this.#init.orders.of(name.channel).giveUp(name, to), reason)
    this.#scheduleExpiry()
  }

  stop(): void {
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
  }

  /** Runs after what came before on that channel. */
  #inTurn<T>(channel: string, task: () => Promise<T>): Promise<T> {
    const turn = (this.#tails.get(channel) ?? Promise.resolve()).then(task)
    const settled = turn.catch(() => undefined)
    this.#tails.set(channel, settled)
    void settled.then(() => {
      if (this.#tails.get(channel) === settled) {
        this.#tails.delete(channel)
      }
    })
    return turn
  }

  async #judge({ bytes, topic }: GossipMessage): Promise<Verdict> {
    const { clock, counters, self } = this.#init
    const batch = await this.#init.seal.open(bytes, topic)
    if (typeof batch === 'string') {
      return this.#refuse(batch)
    }
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
    const options = { sync: false, copy: false }
    if (await this.#admit(batch, 'gossip', options)) {
      counters.count('batch-received')
      return this.#isKnownToAll(batch) ? 'keep' : 'accept'
    }
    if (batch.attempt > 0 || this.#init.log.wasRepaired(batch)) {
      counters.count('duplicate')
      return batch.attempt > 0 ? 'ignore' : 'accept'
    }
    return this.#refuse('replayed')
  }

  /** Whether all who listen, as far as this peer knows, have it from its author. */
  #isKnownToAll({ author, channel, handed }: OpenedBatch): boolean {
    if (handed === undefined) {
      return false
    }
    const have = new Set(handed)
    return this.#init
      .subscribers(channel)
      .every((peer) => peer === author || have.has(shortName(peer)))
  }

  /** Whether it was new. */
  async #admit(batch: OpenedBatch, source: Source, options: TakeOptions): Promise<boolean> {
    const { clock, counters, listens, orders } = this.#init
    if (batch.author === this.#init.self) {
      // Only a log that was lost can bring that: who listens here has had it.
      if (source !== 'gossip') {
        await this.#keep(batch, source, options)
      }
      return false
    }
    if (!listens(batch.channel)) {
      return (await this.#keep(batch, source, options)) === 'new'
    }
    const { author, boot, channel, first, since } = batch
    const repaired = source === 'repair'
    const arrival = { author, boot, channel, first, since, repaired }
    const order = orders.of(channel)
    const admission = order.admit(
      { ...arrival, count: batch.count, item: batch },
      clock.monotonic()
    )
    if (!admission.admitted && !admission.deferred) {
      if (source !== 'gossip') {
        await this.#keep(batch, source, options)
      }
      return false
    }
    counters.count('missing', admission.missing)
    counters.count('late', admission.late)
    counters.count('repaired', repaired ? batch.count : 0)
    let failure: unknown
    try {
      await this.#keep(batch, source, options, orders.markOf(batch))
    } catch (error) {
      // Who listens now gets it all the same; who wanted it kept is told.
      failure = error
    }
    this.#release(admission, 'not repaired in time')
    if (order.openGap(batch) !== undefined) {
      this.#init.onGap(batch)
    }
    this.#scheduleExpiry()
    if (failure !== undefined) {
      counters.count('log-error')
      if (options.sync) {
        throw failure
      }
      this.#init.report('a batch was not logged', failure)
    }
    return true
  }

  async #keep(
    batch: OpenedBatch,
    source: Source,
    options: TakeOptions,
    extra: readonly StoreOperation[] = []
  ): Promise<'new' | 'known'> {
    const { log, mutants } = this.#init
    const sync = options.sync && mutants.copyNotSynced !== true
    const repaired = source !== 'gossip'
    const row = await log.append(batch, { ...options, sync, extra, repaired })
    return row === undefined ? 'known' : 'new'
  }

  #refuse(reason: RejectReason): Verdict {
    this.#init.counters.count(`rejected:${reason}`)
    return blameless.has(reason) ? 'ignore' : 'reject'
  }

  #release({ lost, ready }: Release<OpenedBatch>, reason: string): void {
    for (const loss of lost) {
      this.#init.counters.count('lost', loss.to - loss.from + 1)
      this.#init.onLoss(loss, reason)
    }
    for (const batch of ready) {
      this.#deliver(batch)
    }
  }

  /** Nobody can be held back here, so this does not wait for slow handlers. */
  #deliver(batch: OpenedBatch): void {
    const { dispatcher, log } = this.#init
    const position = log.index.rowOf(batch, batch.first)?.number
    for (const signal of batch.signals) {
      const patience = { wait: false, ...(position === undefined ? {} : { position }) }
      dispatcher
        .dispatch(signal.type.split('.'), signal, { author: batch.author }, patience)
        .catch((error: unknown) => this.#init.report('a signal could not be delivered', error))
    }
  }

  #scheduleExpiry(): void {
    const { clock, orders } = this.#init
    const at = orders.topics.nextExpiry()
    if (at === undefined || this.#cancelExpiry !== undefined) {
      return
    }
    this.#cancelExpiry = clock.schedule(Math.max(0, at - clock.monotonic()), () => {
      this.#cancelExpiry = undefined
      this.#release(orders.topics.expire(clock.monotonic()), 'not repaired in time')
      this.#scheduleExpiry()
    })
  }
}
