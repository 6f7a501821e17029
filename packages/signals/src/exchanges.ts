import type { Clock, Random, Rpc } from '@murmuration/interface'
import type { Budget } from './core/budget.ts'
import type { LoggedStream } from './core/log-index.ts'
import { Exchange, ExchangeReply } from './core/messages.ts'
import type { Notes, Version } from './core/messages.ts'
import type { StreamName } from './core/streams.ts'
import type { Counters } from './counters.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'
import type { Peers } from './peers.ts'
import { spend } from './spending.ts'

/** A stream of one of the channels that were asked about. */
type Head = ExchangeReply['heads'][number]

export interface ExchangesInit {
  readonly rpc: Rpc
  readonly log: SignalLog
  readonly peers: Peers
  readonly clock: Clock
  readonly random: Random
  readonly budget: Budget
  readonly counters: Counters
  /** Channels that somebody here listens to. */
  readonly channels: () => readonly string[]
  /** A peer has more of a stream. */
  readonly onHead: (name: StreamName, head: number, peer: string) => void
  /** What is new to whoever has seen a version. */
  readonly notes: (seen: Version | undefined) => Notes
  readonly onNotes: (notes: Notes, peer: string) => Promise<void>
  readonly stopped: () => AbortSignal
}

/**
 * Compares with one other peer at a time, by chance and whenever one appears: how far the streams of
 * the channels that are listened to have come, which durable subscriptions there are, and how far
 * these have come. That finds what gossip lost at the end of a stream, or while a peer was away.
 */
export class Exchanges {
  readonly #init: ExchangesInit
  readonly #due = new Set<string>()
  /** What each peer has told of durable subscriptions, by its own count. */
  readonly #seen = new Map<string, Version>()
  #cancel: (() => void) | undefined
  #cancelComparing: (() => void) | undefined
  #turn = 0
  /** With whom to compare, and with how many of them still. */
  #holders: readonly string[] = []
  #owed = 0

  constructor(init: ExchangesInit) {
    this.#init = init
  }

  start(): void {
    const { rpc } = this.#init
    rpc.handle(defaults.exchangeMethod, (request, { peer }) => this.#answer(request, peer))
    this.#schedule()
  }

  stop(): void {
    this.#init.rpc.unhandle(defaults.exchangeMethod)
    this.#cancel?.()
    this.#cancel = undefined
    this.#cancelComparing?.()
    this.#cancelComparing = undefined
  }

  /** A peer has appeared, maybe with several subscriptions in one moment. */
  appeared(peer: string): void {
    if (this.#due.has(peer) || this.#due.size >= defaults.exchangesMax) {
      return
    }
    this.#due.add(peer)
    this.#init.clock.schedule(defaults.tailGraceMs, () => {
      this.#due.delete(peer)
      void this.exchange(peer)
    })
  }

  /**
   * Signals came of which these peers should have copies of their own, and will get no second one. One
   * of them is compared with soon, and each in its turn as long as such signals come, and once after that.
   */
  compare(peers: readonly string[]): void {
    this.#holders = peers
    this.#owed = peers.length
    if (this.#cancelComparing === undefined) {
      this.#compareSoon()
    }
  }

  #compareSoon(): void {
    const { clock, random } = this.#init
    const peer = this.#holders[this.#turn % Math.max(1, this.#holders.length)]
    if (peer === undefined || this.#owed <= 0) {
      return
    }
    this.#turn += 1
    this.#cancelComparing = clock.schedule(defaults.keptExchangeMs * (0.5 + random.next()), () => {
      this.#cancelComparing = undefined
      this.#owed -= 1
      void this.exchange(peer)
      this.#compareSoon()
    })
  }

  /** Whether the peer answered. */
  async exchange(peer: string): Promise<boolean> {
    const { channels, rpc, stopped } = this.#init
    if (stopped().aborted) {
      return false
    }
    const wanted = channels().slice(0, 64)
    const seen = this.#seen.get(peer)
    const request = Exchange.encode({
      channels: wanted,
      heads: this.#heads(wanted),
      ...(seen === undefined ? {} : { seen })
    })
    try {
      const reply = ExchangeReply.decode(
        await rpc.call(peer, defaults.exchangeMethod, request, {
          timeoutMs: defaults.askTimeoutMs
        })
      )
      this.#take(wanted, reply.heads, peer)
      await this.#init.onNotes(reply, peer)
      this.#remember(peer, reply.version)
      return true
    } catch {
      // Another one, or the same a moment later, will do as well.
      return false
    }
  }

  #schedule(): void {
    const { clock, peers, random } = this.#init
    this.#cancel = clock.schedule(defaults.exchangeMs * (0.5 + random.next()), () => {
      this.#schedule()
      const known = peers.known()
      const peer = known[Math.floor(random.next() * known.length)]
      if (peer !== undefined) {
        void this.exchange(peer)
      }
    })
  }

  #answer(request: Uint8Array, peer: string): Uint8Array {
    spend(this.#init, peer, request.length)
    const { channels, heads, seen } = Exchange.decode(request)
    const theirs = new Map(
      heads.map(({ author, boot, channel, high }) => [`${author}\n${boot}\n${channel}`, high])
    )
    const more = this.#heads(channels).filter(
      ({ author, boot, channel, high }) =>
        high > (theirs.get(`${author}\n${boot}\n${channel}`) ?? 0)
    )
    const listened = new Set(this.#init.channels())
    const mine = heads.filter(({ channel }) => listened.has(channels[channel] ?? ''))
    this.#take(channels, mine, peer)
    return ExchangeReply.encode({ heads: more, ...this.#init.notes(seen) })
  }

  /** What this log holds of these channels, the newest streams first where there are too many. */
  #heads(channels: readonly string[]): Head[] {
    const places = new Map(channels.map((channel, place) => [channel, place]))
    const told: LoggedStream[] = []
    for (const stream of this.#init.log.index.streams()) {
      if (stream.rows.length > 0 && places.has(stream.name.channel)) {
        told.push(stream)
      }
    }
    return told.slice(-defaults.headsMax).map(({ held, name }) => ({
      author: name.author,
      boot: name.boot,
      channel: places.get(name.channel) ?? 0,
      high: held.list().at(-1)?.to ?? 0
    }))
  }

  #remember(peer: string, version: Version): void {
    this.#seen.delete(peer)
    this.#seen.set(peer, version)
    if (this.#seen.size > defaults.exchangesMax) {
      for (const oldest of this.#seen.keys()) {
        this.#seen.delete(oldest)
        break
      }
    }
  }

  #take(channels: readonly string[], heads: readonly Head[], peer: string): void {
    const { log, onHead } = this.#init
    for (const { author, boot, channel: place, high } of heads) {
      const channel = channels[place]
      const name = channel === undefined ? undefined : { author, boot, channel }
      const held = name && log.index.find(name)?.held.list().at(-1)?.to
      if (name !== undefined && high > (held ?? 0)) {
        onHead(name, high, peer)
      }
    }
  }
}
