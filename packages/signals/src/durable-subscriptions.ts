import type { AbortOptions } from '@libp2p/interface'
import type {
  Clock,
  DurableSubscribeOptions,
  DurableSubscription,
  SignalHandler
} from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import type { Mutants } from './core/mutants.ts'
import { patternSegments } from './core/pattern.ts'
import type { Range } from './core/ranges.ts'
import type { StreamName } from './core/streams.ts'
import { encodeSignal } from './core/wire.ts'
import type { Counters } from './counters.ts'
import type { DeadLetterQueue } from './dead-letter-queue.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import { checkDurableOptions } from './durable-options.ts'
import type { DurableOptions } from './durable-options.ts'
import { DurablePump } from './durable-pump.ts'
import type { SignalLog } from './log.ts'
import type { Peers } from './peers.ts'
import type { Progress } from './progress.ts'
import type { Registering, Reply } from './registering.ts'
import type { Registrations } from './registrations.ts'
import type { Telling } from './telling.ts'

export interface DurableSubscriptionsInit {
  readonly self: string
  /** Channel of signals for this peer alone. */
  readonly own: string
  /** Channels on which signals of a pattern arrive. */
  readonly channelsOf: (pattern: readonly string[]) => readonly string[]
  readonly log: SignalLog
  readonly peers: Peers
  readonly progress: Progress
  readonly registrations: Registrations
  readonly registering: Registering
  readonly telling: Telling
  readonly deadLetters: DeadLetterQueue
  readonly clock: Clock
  readonly counters: Counters
  readonly mutants: Mutants
  /** Joins or leaves the topics of a pattern. */
  readonly need: (pattern: readonly string[], needed: boolean) => void
  readonly onHole: (name: StreamName) => void
  /** Called again and again while it runs. */
  readonly onCheck: () => void
  readonly stopped: () => AbortSignal
  readonly report: (what: string, error: unknown) => void
}

interface Open {
  readonly pump: DurablePump
  readonly pattern: readonly string[]
  readonly channels: ReadonlySet<string>
  /** Who shares its signals; undefined: no group. */
  readonly consumers: (() => readonly string[]) | undefined
  /** These at the last look, as a text. */
  shared: string
}

/** The durable subscriptions of this peer, and what it does for those of others. */
export class DurableSubscriptions {
  readonly #init: DurableSubscriptionsInit
  readonly #open = new Map<string, Open>()
  readonly #opening = new Set<string>()
  #cancel: (() => void) | undefined

  constructor(init: DurableSubscriptionsInit) {
    this.#init = init
  }

  start(): void {
    this.#init.registering.start()
    this.#init.telling.start()
    this.#schedule()
  }

  stop(): void {
    this.#init.registering.stop()
    this.#init.telling.stop()
    this.#cancel?.()
    this.#cancel = undefined
    for (const [id, { pattern, pump }] of this.#open) {
      pump.close()
      this.#open.delete(id)
      this.#init.need(pattern, false)
    }
  }

  async subscribe(
    pattern: string,
    handler: SignalHandler,
    options: DurableSubscribeOptions
  ): Promise<DurableSubscription> {
    const { mutants, need, registering, registrations, self } = this.#init
    const checked = checkDurableOptions(handler, options)
    const segments = patternSegments(pattern)
    const id = checked.group ? `group/${options.name}` : `${self}/${options.name}`
    if (this.#open.has(id) || this.#opening.has(id)) {
      throw new InvalidParametersError(`the durable subscription ${options.name} is open already`)
    }
    this.#opening.add(id)
    // Before anybody knows: what comes from then on must not be missed.
    need(segments, true)
    const before = registrations.get(id, self)
    try {
      const channels = this.#init.channelsOf(segments)
      await this.#register(id, pattern, false)
      const registration = registrations.get(id, self)
      const replies =
        registration === undefined || mutants.subscribeWithoutMembers === true
          ? []
          : await registering.tell(registration, channels, checked.timeoutMs, options)
      await this.#begin(id, channels, replies)
      if (mutants.subscribeWithoutMembers !== true) {
        await registering.tellBeginning(id, checked.timeoutMs, options)
      }
      if (checked.group && before?.removed !== false) {
        await this.#settle(id)
      }
      this.#start(id, segments, channels, handler, checked)
    } catch (error) {
      need(segments, false)
      if (before?.removed !== false) {
        await this.#withdraw(id, pattern)
      }
      throw error
    } finally {
      this.#opening.delete(id)
    }
    return {
      pattern,
      name: options.name,
      close: () => this.#close(id, segments),
      remove: (abort) => this.#remove(id, pattern, segments, abort)
    }
  }

  /** Something of a stream has come. */
  kick(name: StreamName): void {
    for (const { channels, pump } of this.#open.values()) {
      if (channels.has(name.channel)) {
        pump.kick(name)
      }
    }
  }

  /** The lowest sequences of a stream that some subscription here misses. */
  hole(name: StreamName): Range | undefined {
    let lowest: Range | undefined
    for (const { channels, pump } of this.#open.values()) {
      const hole = channels.has(name.channel) ? pump.hole(name) : undefined
      if (hole !== undefined && hole.from < (lowest?.from ?? Infinity)) {
        lowest = hole
      }
    }
    return lowest
  }

  /** Whether a durable subscription of that peer is for signals of a type. */
  wanted(type: readonly string[], peer: string): boolean {
    return this.#init.registrations
      .matching(type)
      .some(({ registration }) => registration.peer === peer)
  }

  /** The pump of a subscription that is open here. */
  pumpOf(id: string): DurablePump | undefined {
    return this.#open.get(id)?.pump
  }

  /** Another peer has told more of a stream. */
  progressed(id: string, name: StreamName): void {
    this.#open.get(id)?.pump.kick(name)
  }

  isOpen(id: string): boolean {
    return this.#open.has(id)
  }

  async #register(id: string, pattern: string, removed: boolean): Promise<void> {
    const { clock, registrations, self } = this.#init
    const version = Math.max((registrations.get(id, self)?.version ?? 0) + 1, clock.now())
    await registrations.put({ id, peer: self, pattern, version: Math.trunc(version), removed })
  }

  /** Goes on where it was, by what is known here or elsewhere; else begins now. */
  async #begin(id: string, channels: readonly string[], replies: readonly Reply[]): Promise<void> {
    const { progress, registering, telling } = this.#init
    telling.merge(replies.flatMap(({ reply }) => reply.progress))
    if (!progress.begun(id)) {
      registering.baseline(id, channels, replies)
      progress.begin(id)
    }
    await progress.flush()
  }

  /** Lets the others of a group finish what they have begun of what is this peer's share now. */
  async #settle(id: string): Promise<void> {
    const { clock, registrations, stopped } = this.#init
    if (registrations.consumers(id).length > 1) {
      await pause(clock, defaults.groupSettleMs, stopped())
    }
  }

  #start(
    id: string,
    pattern: readonly string[],
    channels: readonly string[],
    handler: SignalHandler,
    options: DurableOptions
  ): void {
    const { deadLetters, peers, registrations } = this.#init
    const sharing = (): readonly string[] =>
      registrations.consumers(id).filter((peer) => peers.isMember(peer))
    const consumers = options.group ? sharing : undefined
    const pump = new DurablePump({
      ...this.#init,
      ...options,
      id,
      pattern,
      handler,
      consumers,
      onFailed: ({ signal, ...rest }) =>
        deadLetters.add({ ...rest, subscription: id, signal: encodeSignal(signal) })
    })
    const shared = listOf(consumers)
    this.#open.set(id, { pump, pattern, channels: new Set(channels), consumers, shared })
    for (const { name } of this.#init.log.index.streams()) {
      if (channels.includes(name.channel)) {
        pump.kick(name)
      }
    }
  }

  #close(id: string, pattern: readonly string[]): boolean {
    const open = this.#open.get(id)
    if (open === undefined) {
      return false
    }
    open.pump.close()
    this.#open.delete(id)
    this.#init.need(pattern, false)
    if (open.consumers !== undefined && this.#init.registrations.consumers(id).length > 1) {
      // The others take over its share.
      this.#remove(id, pattern.join('.'), pattern, {}).catch((error: unknown) =>
        this.#init.report('a group was not told that a consumer left', error)
      )
    }
    return true
  }

  async #remove(
    id: string,
    pattern: string,
    segments: readonly string[],
    options: AbortOptions = {}
  ): Promise<void> {
    const open = this.#open.get(id)
    if (open !== undefined) {
      open.pump.close()
      this.#open.delete(id)
      this.#init.need(segments, false)
    }
    await this.#unregister(id, pattern)
    await this.#tellEnd(id, options)
  }

  /** What could not begin must not stay: of a group it would have a share that nobody handles. */
  async #withdraw(id: string, pattern: string): Promise<void> {
    const { report, stopped } = this.#init
    try {
      await this.#unregister(id, pattern)
    } catch (error) {
      report('a durable subscription that did not begin could not be removed', error)
      return
    }
    // Who cannot be told now hears of it when it is compared with.
    this.#tellEnd(id, { signal: stopped() }).catch((error: unknown) =>
      report('not all were told that a durable subscription did not begin', error)
    )
  }

  async #unregister(id: string, pattern: string): Promise<void> {
    const { progress, registrations } = this.#init
    await this.#register(id, pattern, true)
    if (registrations.consumers(id).length === 0) {
      await progress.forget(id)
    }
  }

  async #tellEnd(id: string, options: AbortOptions): Promise<void> {
    const { registering, registrations, self } = this.#init
    const registration = registrations.get(id, self)
    if (registration !== undefined) {
      await registering.tell(registration, [], defaults.registerTimeoutMsDefault, options)
    }
  }

  #schedule(): void {
    const { clock, onCheck, progress } = this.#init
    this.#cancel = clock.schedule(defaults.groupCheckMs, () => {
      this.#schedule()
      progress.settle()
      onCheck()
      for (const open of this.#open.values()) {
        const shared = listOf(open.consumers)
        if (shared !== open.shared) {
          open.shared = shared
          open.pump.reassign()
        }
      }
    })
  }
}

/** Consumers as a text, to see whether they have changed. */
function listOf(consumers: Open['consumers']): string {
  return consumers?.().toSorted().join() ?? ''
}
