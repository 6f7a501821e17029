import type { Clock, StoreOperation } from '@murmuration/interface'
import type { BatchSeal, OpenedBatch } from './batches.ts'
import type { Budget } from './core/budget.ts'
import type { Dispatcher } from './core/dispatcher.ts'
import { FairTurns } from './core/fair-turns.ts'
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
  readonly defer: (task: () => void) => void
  /** Whether this peer listens on a channel; what comes on others is kept for others only. */
  readonly listens: (channel: string) => boolean
  /** Peers that listen on a channel. */
  readonly subscribers: (channel: string) => readonly string[]
  /** A batch was not sent on, since these have it from its author as well, if all went well. */
  readonly onKept: (peers: readonly string[]) => void
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
 * a channel are admitted one after the other, as they came. Neither opening nor writing one holds up
 * the next: what comes while a write is under way shares the write after it.
 */
export class Intake {
  readonly #init: IntakeInit
  readonly #tails = new Map<string, Promise<unknown>>()
  readonly #pending = new Map<string, number>()
  readonly #turns: FairTurns
  #pendingTotal = 0
  /** What waits to be handed on until it is written; undefined: nothing does. */
  #releases: Promise<void> | undefined
  /** The newest write of a batch, after which all before it are done too. */
  #written: Promise<unknown> = Promise.resolve()
  #cancelExpiry: (() => void) | undefined

  constructor(init: IntakeInit) {
    this.#init = init
    this.#turns = new FairTurns(init.defer)
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
      const turn = this.#turns.enter(from)
      if (turn !== undefined) {
        await turn
      }
      const opened = this.#init.seal.open(message.bytes, { channel: topic })
      const { verdict } = await this.#inTurn(topic, async () => {
        const batch = await opened
        return { verdict: this.#judge(batch) }
      }).finally(() => this.#admitted(from))
      return await verdict
    } catch (error) {
      this.#init.report('a message could not be judged', error)
      return 'ignore'
    }
  }

  /** One waits less for its judgement. What waits for the disk from here on, the store bounds. */
  #admitted(from: string): void {
    this.#pendingTotal -= 1
    const left = (this.#pending.get(from) ?? 1) - 1
    if (left === 0) {
      this.#pending.delete(from)
    } else {
      this.#pending.set(from, left)
    }
  }

  /** Takes a batch that somebody handed over; says why not, or `logged`. */
  async take(
    bytes: Uint8Array,
    source: Source,
    options: TakeOptions,
    channel?: string
  ): Promise<RejectReason | 'logged'> {
    const opened = await this.#init.seal.open(bytes, { channel, kept: true })
    if (typeof opened === 'string') {
      this.#refuse(opened)
      return opened
    }
    const { admitted } = await this.#inTurn(opened.channel, async () => ({
      admitted: this.#admit(opened, source, options)
    }))
    await admitted
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
      const options = {
        sync,
        copy: durable,
        repaired: true,
        extra: orders.markOf(batch).operations
      }
      await this.#init.log.append(batch, options)
      counters.count(admitted ? 'batch-received' : 'rejected:replayed')
      return admitted
    })
  }

  /** Gives up what is missing of a stream up to there. */
  giveUp(name: StreamName, to: number, reason: string): void {
    const release = this.#init.orders.of(name.channel).giveUp(name, to)
    this.#handOnLater(release, reason)
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

  /** Up to its first wait in turn, as {@link #admit}. */
  async #judge(batch: OpenedBatch | RejectReason): Promise<Verdict> {
    const { clock, counters, self } = this.#init
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
    const others = this.#init.subscribers(channel).filter((peer) => peer !== author)
    const known = others.every((peer) => have.has(shortName(peer)))
    if (known) {
      this.#init.onKept(others)
    }
    return known
  }

  /**
   * Whether it was new. What decides that, and in which order batches are written, happens before the
   * first wait; the rest may run beside those that follow.
   */
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
    const { author, boot, channel, first, since, time } = batch
    const repaired = source === 'repair'
    const arrival = { author, boot, channel, first, since, time, repaired }
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
    // What is marked is handed on already, and only a log that somebody asked for is waited for.
    const lazy = source === 'gossip' && orders.isMarked(batch)
    const marking = orders.markOf(batch)
    const kept = this.#keep(batch, source, { ...options, lazy }, marking.operations).then(() =>
      marking.written()
    )
    this.#written = kept.catch(() => undefined)
    const released = this.#handOn(admission, 'not repaired in time')
    if (order.openGap(batch) !== undefined) {
      this.#init.onGap(batch)
    }
    this.#scheduleExpiry()
    await released
    const logged = this.#logged(kept, options)
    if (!lazy) {
      await logged
    }
    return true
  }

  async #logged(kept: Promise<void>, { sync }: TakeOptions): Promise<void> {
    try {
      await kept
    } catch (error) {
      // Who listens now got it all the same; who wanted it kept is told.
      this.#init.counters.count('log-error')
      if (sync) {
        throw error
      }
      this.#init.report('a batch was not logged', error)
    }
  }

  /** In order, and what no mark covers after its write. Undefined: it is handed on already. */
  #handOn(release: Release<OpenedBatch>, reason: string): Promise<void> | undefined {
    const marked = release.ready.every((batch) => this.#init.orders.isMarked(batch))
    if (marked && this.#releases === undefined) {
      this.#release(release, reason)
      return undefined
    }
    const before = marked ? Promise.resolve() : this.#written
    return this.#after(before, () => this.#release(release, reason))
  }

  #handOnLater(release: Release<OpenedBatch>, reason: string): void {
    this.#handOn(release, reason)?.catch((error: unknown) =>
      this.#init.report('signals could not be handed on', error)
    )
  }

  /** Runs it after that, and after all that waits to be handed on. */
  #after(settled: Promise<unknown>, task: () => void): Promise<void> {
    const done = Promise.all([this.#releases, settled]).then(task)
    const over = done.catch(() => undefined)
    this.#releases = over
    void over.then(() => {
      if (this.#releases === over) {
        this.#releases = undefined
      }
    })
    return done
  }

  async #keep(
    batch: OpenedBatch,
    source: Source,
    options: TakeOptions & { readonly lazy?: boolean },
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
    const patience = { wait: false, ...(position === undefined ? {} : { position }) }
    const context = { author: batch.author }
    for (const signal of batch.signals) {
      // No promise, as nobody waits.
      void dispatcher.dispatch(signal, context, patience)
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
      const release = orders.topics.expire(clock.monotonic())
      this.#handOnLater(release, 'not repaired in time')
      this.#scheduleExpiry()
    })
  }
}
