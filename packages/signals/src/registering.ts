import type { AbortOptions } from '@libp2p/interface'
import type { Clock, Rpc } from '@murmuration/interface'
import { AbortedError, NotAdmittedError, UnavailableError } from '@murmuration/interface'
import { codeOf } from './codes.ts'
import type { Budget } from './core/budget.ts'
import { Progress, Register, RegisterReply } from './core/messages.ts'
import type { Registration } from './core/records.ts'
import { streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import type { Counters } from './counters.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'
import type { Peers } from './peers.ts'
import type { Progress as ProgressStore } from './progress.ts'
import type { Registrations } from './registrations.ts'
import { spend } from './spending.ts'

export interface RegisteringInit {
  readonly self: string
  readonly rpc: Rpc | undefined
  readonly log: SignalLog
  readonly peers: Peers
  readonly progress: ProgressStore
  readonly registrations: Registrations
  readonly clock: Clock
  readonly budget: Budget
  readonly counters: Counters
  /** What this peer has published itself, by channel. */
  readonly ownHead: (channel: string) => (StreamName & { readonly head: number }) | undefined
}

/** Where the streams of some channels stand. */
type Head = RegisterReply['heads'][number]

/** What a member knows of a subscription. */
export interface Reply {
  readonly peer: string
  readonly reply: RegisterReply
}

/** Makes durable subscriptions known to the members of the view, and notes those of others. */
export class Registering {
  readonly #init: RegisteringInit

  constructor(init: RegisteringInit) {
    this.#init = init
  }

  start(): void {
    const { rpc } = this.#init
    rpc?.handle(defaults.registerMethod, (request, { peer }) => this.#note(request, peer))
  }

  stop(): void {
    this.#init.rpc?.unhandle(defaults.registerMethod)
  }

  /**
   * Resolves when all members of the view know it, and with what they know of it. Rejects with
   * `UnavailableError`, which names who did not answer in time, or with `AbortedError`.
   */
  async tell(
    registration: Registration,
    channels: readonly string[],
    timeoutMs: number,
    options: AbortOptions
  ): Promise<readonly Reply[]> {
    const request = Register.encode({ registration, channels })
    const replies = await this.#everyone(defaults.registerMethod, request, timeoutMs, options)
    return [...replies].map(([peer, reply]) => ({ peer, reply: RegisterReply.decode(reply) }))
  }

  /** Tells the members where a subscription begins, so that another consumer begins there too. */
  async tellBeginning(id: string, timeoutMs: number, options: AbortOptions): Promise<void> {
    const notes = this.#init.progress.notesOf(id, defaults.notesMax)
    const request = Progress.encode({ progress: notes })
    await this.#everyone(defaults.progressMethod, request, timeoutMs, options)
  }

  /** Begins after what was published before the members knew of it. */
  baseline(id: string, channels: readonly string[], replies: readonly Reply[]): void {
    const { progress, self } = this.#init
    const heads = new Map<string, { readonly name: StreamName; readonly head: number }>()
    const own = { peer: self, reply: { heads: this.#heads(channels), progress: [] } }
    for (const { peer, reply } of [own, ...replies]) {
      for (const { author, boot, channel: place, high } of reply.heads) {
        const name = { author, boot, channel: channels[place] ?? '' }
        const key = streamKey(name)
        // What an author says of its own streams is exact; the others may have heard less or more.
        const answered = author === self || replies.some((each) => each.peer === author)
        if (peer === author || (!answered && high > (heads.get(key)?.head ?? 0))) {
          heads.set(key, { name, head: high })
        }
      }
    }
    for (const { head, name } of heads.values()) {
      if (head > 0) {
        progress.add(id, name, 1, head)
      }
    }
  }

  /** Calls each member of the view until it has answered, or is out of the view. */
  async #everyone(
    method: string,
    request: Uint8Array,
    timeoutMs: number,
    { signal = new AbortController().signal }: AbortOptions
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const { clock, peers } = this.#init
    const replies = new Map<string, Uint8Array>()
    const deadline = clock.monotonic() + timeoutMs
    for (;;) {
      const silent = peers.members().filter((peer) => !replies.has(peer))
      if (silent.length === 0) {
        return replies
      }
      if (signal.aborted) {
        throw new AbortedError('subscribing was aborted', { outcomeUnknown: true })
      }
      const left = deadline - clock.monotonic()
      if (left <= 0) {
        throw new UnavailableError(`members do not know the subscription: ${silent.join(', ')}`)
      }
      const patience = Math.min(left, defaults.askTimeoutMs)
      // Who did not answer is asked again.
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(
        silent.map(async (peer) => {
          const reply = await this.#call(peer, method, request, patience)
          if (reply !== undefined) {
            replies.set(peer, reply)
          }
        })
      )
      if (silent.some((peer) => !replies.has(peer))) {
        // oxlint-disable-next-line no-await-in-loop
        await pause(clock, defaults.repairPauseMs, signal)
      }
    }
  }

  async #call(
    peer: string,
    method: string,
    request: Uint8Array,
    timeoutMs: number
  ): Promise<Uint8Array | undefined> {
    const { peers, rpc } = this.#init
    try {
      return await rpc?.call(peer, method, request, { timeoutMs })
    } catch (error) {
      // Somebody may gossip and have no bus, which is as good as an empty answer.
      if (!peers.areTold && codeOf(error) === 'ERR_UNKNOWN_METHOD') {
        return RegisterReply.encode({ heads: [], progress: [] })
      }
      // It is tried again; in the end it is said who did not answer.
      return undefined
    }
  }

  async #note(request: Uint8Array, caller: string): Promise<Uint8Array> {
    const { progress, registrations } = this.#init
    spend(this.#init, caller, request.length)
    const { channels, registration } = Register.decode(request)
    const { id, peer } = registration
    if (peer !== caller || !isOwnId(registration)) {
      throw new NotAdmittedError('a peer registers subscriptions of its own only')
    }
    await registrations.put(registration)
    if (registrations.consumers(id).length === 0) {
      await progress.forget(id)
    }
    // In this order: whoever has begun before what is told of the streams is told of as well.
    const heads = this.#heads(channels)
    return RegisterReply.encode({
      heads,
      progress: progress.notesOf(id, defaults.notesMax)
    })
  }

  #heads(channels: readonly string[]): Head[] {
    const { log, ownHead } = this.#init
    const places = new Map(channels.map((channel, place) => [channel, place]))
    const heads: Head[] = []
    for (const [place, channel] of channels.entries()) {
      const own = ownHead(channel)
      if (own !== undefined) {
        heads.push({ author: own.author, boot: own.boot, channel: place, high: own.head })
      }
    }
    for (const { held, name } of log.index.streams()) {
      const channel = places.get(name.channel)
      const own = channel !== undefined && ownHead(name.channel)
      const high = held.list().at(-1)?.to
      if (
        channel !== undefined &&
        high !== undefined &&
        !(own && own.boot === name.boot && own.author === name.author)
      ) {
        heads.push({ author: name.author, boot: name.boot, channel, high })
      }
    }
    return heads.slice(0, defaults.headsMax)
  }
}

/** Whether a peer may consume under that id: of a group, or of its own. */
export function isOwnId({ id, peer }: Registration): boolean {
  return id.startsWith('group/') || id.startsWith(`${peer}/`)
}
