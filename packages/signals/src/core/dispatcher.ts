import type {
  ReplayFrom,
  Signal,
  SignalContext,
  SignalHandler,
  SubscribeOptions,
  Subscription
} from '@murmuration/interface'
import { InvalidParametersError, OverloadedError } from '@murmuration/interface'
import { knownTypesMax, queueMaxDefault, subscriptionsMax } from '../defaults.ts'
import { patternSegments, topicsOfPattern } from './pattern.ts'
import { SubscriptionQueue } from './subscription-queue.ts'
import { PatternTrie } from './trie.ts'

/** What happened to one signal at the subscriptions of this peer. */
export interface LocalOutcome {
  /** Subscriptions whose queue took it. */
  readonly delivered: number
  /** Subscriptions that match but had no room for it. */
  readonly dropped: number
}

/** How long a publisher may be held back by a full queue with policy `block`. */
export interface Patience {
  readonly wait: boolean
  /** Ends the waiting; asked for only where a queue is full. */
  readonly signal?: AbortSignal | undefined
  /** Number of its entry in the log; Infinity where it will have one, undefined where it has none. */
  readonly position?: number
}

/** A signal, and from whom it is. */
export interface Delivered {
  readonly signal: Signal
  readonly context: SignalContext
}

/** A subscription that first gets what the log has. */
export interface Replaying {
  readonly closed: boolean
  /** Hands on one signal of the log, and waits while there is no room for it. */
  offer(signal: Signal, context: SignalContext): Promise<void>
  /**
   * From the entries after that number on, it gets what comes, and first what this peer has published
   * and not logged yet.
   */
  goLive(after: number, unlogged: readonly Delivered[]): void
}

export interface DispatcherEvents {
  /** The first subscription that needs a topic came, or the last one went. */
  topic(number: number, wanted: boolean): void
  delivered(): void
  dropped(pattern: string): void
  /** A handler or filter threw. */
  failed(pattern: string, error: unknown): void
  /** A subscription asks for what the log has. */
  replay(from: ReplayFrom, subscription: Replaying): void
}

interface Entry {
  readonly order: number
  readonly priority: number
  readonly filter: ((signal: Signal) => boolean) | undefined
  readonly pattern: string
  readonly segments: readonly string[]
  readonly queue: SubscriptionQueue<Delivered>
  readonly once: boolean
  /** Entries of the log up to this number come by replay. */
  replayed: number
  readonly release: () => void
}

/** The subscriptions of one peer: who listens to what, and a queue for each. */
export class Dispatcher {
  readonly #events: DispatcherEvents
  readonly #trie = new PatternTrie<Entry>()
  readonly #entries = new Set<Entry>()
  readonly #topics = new Map<number, number>()
  /** Who listens to a type, in their order; forgotten when somebody comes or goes. */
  readonly #listeners = new Map<string, readonly Entry[]>()
  #order = 0

  constructor(events: DispatcherEvents) {
    this.#events = events
  }

  /** Numbers of the topics that some subscription needs. */
  topics(): readonly number[] {
    return [...this.#topics.keys()]
  }

  listens(type: string): boolean {
    return this.#listenersOf(type).length > 0
  }

  /** Joins or leaves the topics of a pattern, all or, where one of them cannot be joined, none. */
  need(segments: readonly string[], needed: boolean): void {
    const counted: number[] = []
    try {
      for (const topic of topicsOfPattern(segments)) {
        this.#count(topic, needed ? 1 : -1)
        counted.push(topic)
      }
    } catch (error) {
      for (const topic of counted) {
        this.#count(topic, needed ? -1 : 1)
      }
      throw error
    }
  }

  subscribe(pattern: string, handler: SignalHandler, options: SubscribeOptions): Subscription {
    if (typeof handler !== 'function') {
      throw new InvalidParametersError('handler must be a function')
    }
    const entry = this.#open(pattern, options)
    const close = (): void => this.#close(entry, true)
    void this.#run(entry, handler)
    return {
      pattern,
      close,
      get dropped() {
        return entry.queue.dropped
      }
    }
  }

  iterate(pattern: string, options: SubscribeOptions): AsyncIterable<Signal> {
    const entry = this.#open(pattern, options)
    const iterator: AsyncIterator<Signal> = {
      next: async () => {
        const item = await entry.queue.take()
        return item === undefined
          ? { done: true, value: undefined }
          : { done: false, value: item.signal }
      },
      return: async () => {
        this.#close(entry, true)
        return { done: true, value: undefined }
      }
    }
    return { [Symbol.asyncIterator]: () => iterator }
  }

  /**
   * Hands a signal to all subscriptions that match, those of high priority first. A promise only where
   * one of them lets the publisher wait.
   */
  dispatch(
    signal: Signal,
    context: SignalContext,
    patience: Patience
  ): LocalOutcome | Promise<LocalOutcome> {
    const item = { signal, context }
    const outcome = { delivered: 0, dropped: 0 }
    const waiting: Promise<boolean>[] = []
    for (const entry of this.#listenersOf(signal.type)) {
      if (patience.position !== undefined && patience.position <= entry.replayed) {
        // It has it from the log, or will.
        outcome.delivered += !entry.queue.closed && this.#wants(entry, signal) ? 1 : 0
        continue
      }
      const taken = this.#offer(entry, item, patience)
      if (typeof taken === 'boolean') {
        this.#note(outcome, taken)
      } else if (taken !== undefined) {
        waiting.push(taken)
      }
    }
    return waiting.length === 0 ? outcome : this.#settle(outcome, waiting)
  }

  async #settle(
    outcome: { delivered: number; dropped: number },
    waiting: readonly Promise<boolean>[]
  ): Promise<LocalOutcome> {
    for (const taken of await Promise.all(waiting)) {
      this.#note(outcome, taken)
    }
    return outcome
  }

  #note(outcome: { delivered: number; dropped: number }, taken: boolean): void {
    if (taken) {
      outcome.delivered += 1
      this.#events.delivered()
    } else {
      outcome.dropped += 1
    }
  }

  #listenersOf(type: string): readonly Entry[] {
    const known = this.#listeners.get(type)
    if (known !== undefined) {
      return known
    }
    const listeners = [...this.#trie.match(type.split('.'))].toSorted(
      (a, b) => b.priority - a.priority || a.order - b.order
    )
    if (this.#listeners.size >= knownTypesMax) {
      this.#listeners.clear()
    }
    this.#listeners.set(type, listeners)
    return listeners
  }

  /** Ends all subscriptions; what waits in their queues is still handled. */
  closeAll(): void {
    for (const entry of this.#entries) {
      this.#close(entry, false)
    }
  }

  /** Undefined where the subscription does not want it. */
  #offer(
    entry: Entry,
    delivered: Delivered,
    patience: Patience
  ): boolean | Promise<boolean> | undefined {
    if (entry.queue.closed || !this.#wants(entry, delivered.signal)) {
      return undefined
    }
    const { queue } = entry
    const taken = queue.offer(delivered, patience.wait, queue.full ? patience.signal : undefined)
    if (entry.queue.failure !== undefined) {
      this.#events.failed(entry.pattern, entry.queue.failure)
      this.#close(entry, false)
    } else if (entry.once && taken !== false) {
      this.#close(entry, false)
    }
    return taken
  }

  #wants(entry: Entry, signal: Signal): boolean {
    try {
      return entry.filter === undefined || entry.filter(signal)
    } catch (error) {
      this.#events.failed(entry.pattern, error)
      return false
    }
  }

  #open(pattern: string, options: SubscribeOptions): Entry {
    const segments = patternSegments(pattern)
    const queueMax = options.queueMax ?? queueMaxDefault
    if (!Number.isSafeInteger(queueMax) || queueMax < 1) {
      throw new InvalidParametersError('queueMax must be a positive integer')
    }
    const overflow = options.overflow ?? 'drop-oldest'
    if (!['block', 'drop-oldest', 'drop-newest', 'error'].includes(overflow)) {
      throw new InvalidParametersError(`overflow: '${overflow}' is no policy`)
    }
    const priority = options.priority ?? 0
    if (!Number.isFinite(priority)) {
      throw new InvalidParametersError('priority must be a finite number')
    }
    if (this.#entries.size >= subscriptionsMax) {
      throw new OverloadedError(`a bus has at most ${subscriptionsMax} subscriptions`)
    }
    const entry: Entry = {
      order: this.#order,
      priority,
      filter: options.filter,
      pattern,
      segments,
      queue: new SubscriptionQueue(queueMax, overflow, () => this.#events.dropped(pattern)),
      once: options.once === true,
      replayed: options.from === undefined ? 0 : Infinity,
      release: () => options.signal?.removeEventListener('abort', abort)
    }
    const abort = (): void => this.#close(entry, true)
    this.need(segments, true)
    this.#order += 1
    this.#entries.add(entry)
    this.#trie.add(segments, entry)
    this.#listeners.clear()
    if (options.signal?.aborted === true) {
      abort()
    } else {
      options.signal?.addEventListener('abort', abort, { once: true })
    }
    if (options.from !== undefined) {
      this.#events.replay(options.from, this.#replaying(entry))
    }
    return entry
  }

  #replaying(entry: Entry): Replaying {
    const trie = new PatternTrie<true>()
    trie.add(entry.segments, true)
    const matches = ({ type }: Signal): boolean => trie.match(type.split('.')).size > 0
    return {
      get closed() {
        return entry.queue.closed
      },
      offer: async (signal, context) => {
        if (matches(signal) && this.#wants(entry, signal)) {
          const taken = await entry.queue.offerPatiently({ signal, context })
          if (taken) {
            this.#events.delivered()
          }
          if (taken && entry.once) {
            this.#close(entry, false)
          }
        }
      },
      goLive: (after, unlogged) => {
        entry.replayed = after
        for (const each of unlogged) {
          if (matches(each.signal) && this.#offer(entry, each, { wait: false }) === true) {
            this.#events.delivered()
          }
        }
      }
    }
  }

  #close(entry: Entry, discard: boolean): void {
    entry.queue.close({ discard })
    entry.release()
    if (!this.#entries.delete(entry)) {
      return
    }
    this.#trie.remove(entry.segments, entry)
    this.#listeners.clear()
    this.need(entry.segments, false)
  }

  #count(topic: number, change: 1 | -1): void {
    const before = this.#topics.get(topic) ?? 0
    const after = before + change
    if (before === 0 || after === 0) {
      this.#events.topic(topic, after > 0)
    }
    if (after === 0) {
      this.#topics.delete(topic)
    } else {
      this.#topics.set(topic, after)
    }
  }

  async #run(entry: Entry, handler: SignalHandler): Promise<void> {
    for (;;) {
      let item: Delivered | undefined
      try {
        item = entry.queue.next() ?? (await entry.queue.take())
      } catch {
        // The queue failed, which was reported when it happened.
        return
      }
      if (item === undefined) {
        return
      }
      try {
        await handler(item.signal, item.context)
      } catch (error) {
        this.#events.failed(entry.pattern, error)
      }
    }
  }
}
