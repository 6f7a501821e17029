import type { Clock, Random, Rpc } from '@murmuration/interface'
import { Pull, PullReply } from './core/messages.ts'
import { Ranges } from './core/ranges.ts'
import type { Range } from './core/ranges.ts'
import type { StreamName } from './core/streams.ts'
import * as defaults from './defaults.ts'
import type { Intake } from './intake.ts'
import type { Peers } from './peers.ts'

export interface AskingInit {
  readonly rpc: Rpc
  readonly peers: Peers
  readonly intake: Intake
  readonly clock: Clock
  readonly random: Random
}

export interface AskOptions {
  /** At most so many peers; default: all members. */
  readonly peersMax?: number
  /** Nobody but this peer, if given. */
  readonly only?: string
  /** Who is asked first. @default the author */
  readonly first?: string
  /** Only what its author sent after that. */
  readonly since?: number
}

/** What a round of questions brought. */
export interface Round {
  /** The last sequence that came; 0: nothing. */
  readonly came: number
  /** Sequences of which everybody who was asked said that it does not have them. */
  readonly absent: readonly Range[]
  /** Whether all members were asked and answered. */
  readonly complete: boolean
  /** Whether the author itself answered. */
  readonly author: boolean
  /** How many answered. */
  readonly answers: number
}

/** Asks other peers for missing sequences of a stream until somebody has some: the author first, or who is
 * known to have them. */
export class Asking {
  readonly #init: AskingInit

  constructor(init: AskingInit) {
    this.#init = init
  }

  async ask(name: StreamName, range: Range, options: AskOptions = {}): Promise<Round> {
    const { first = name.author, only, peersMax = Infinity } = options
    const peers = only === undefined ? this.#inOrder(first).slice(0, peersMax) : [only]
    let complete = true
    let author = false
    let answers = 0
    let absent = [range]
    for (const peer of peers) {
      // The next one is asked only for want of an answer from this one.
      // oxlint-disable-next-line no-await-in-loop
      const reply = await this.#pull(peer, name, range, options.since)
      if (reply === undefined) {
        complete &&= !this.#init.peers.isMember(peer)
        continue
      }
      answers += 1
      author ||= peer === name.author
      // oxlint-disable-next-line no-await-in-loop
      const came = await this.#take(reply.originals, name.channel)
      if (came > 0) {
        return { came, absent: [], complete, author, answers }
      }
      const here = new Ranges(reply.absent)
      absent = absent.flatMap(({ from, to }) => intersect(here, from, to))
    }
    return { came: 0, absent, complete, author, answers }
  }

  /** One of them, then the others, by chance, so that no one bears all questions. */
  #inOrder(first: string): readonly string[] {
    const { peers, random } = this.#init
    const others = peers
      .known()
      .filter((peer) => peer !== first)
      .map((peer) => ({ peer, at: random.next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ peer }) => peer)
    return peers.known().includes(first) ? [first, ...others] : others
  }

  async #pull(
    peer: string,
    stream: StreamName,
    { from, to }: Range,
    since: number | undefined
  ): Promise<PullReply | undefined> {
    const request = { stream, from, to, ...(since === undefined ? {} : { since }) }
    try {
      const reply = await this.#init.rpc.call(peer, defaults.pullMethod, Pull.encode(request), {
        timeoutMs: defaults.askTimeoutMs
      })
      return PullReply.decode(reply)
    } catch {
      // Whatever the reason, this peer did not answer, which is all that counts here.
      return undefined
    }
  }

  async #take(originals: readonly Uint8Array[], channel: string): Promise<number> {
    const { intake } = this.#init
    let came = 0
    for (const original of originals) {
      const options = { sync: false, copy: false }
      // In their order.
      // oxlint-disable-next-line no-await-in-loop
      const word = await intake.take(original, 'repair', options, channel)
      came += word === 'logged' ? 1 : 0
    }
    return came
  }
}

function intersect(ranges: Ranges, from: number, to: number): Range[] {
  return ranges
    .list()
    .map((range) => ({ from: Math.max(from, range.from), to: Math.min(to, range.to) }))
    .filter((part) => part.from <= part.to)
}
