import type { Clock, Rpc } from '@murmuration/interface'
import { codeOf } from './codes.ts'
import { Push, PushReply } from './core/messages.ts'
import type { Mutants } from './core/mutants.ts'
import * as defaults from './defaults.ts'
import type { Peers } from './peers.ts'

export interface CopiesInit {
  readonly rpc: Rpc | undefined
  readonly peers: Peers
  readonly clock: Clock
  readonly mutants: Mutants
  /** W: the logs that must have a signal, this one included. */
  readonly copiesWanted: number
}

/** Where a batch is logged, and who failed to. */
export interface Secured {
  readonly accepted: boolean
  readonly copies: number
  readonly holders: readonly string[]
  readonly failed: readonly { readonly peer: string; readonly reason: string }[]
}

/** Gets a batch into the logs of so many members that it counts as accepted. */
export class Copies {
  readonly #init: CopiesInit

  constructor(init: CopiesInit) {
    this.#init = init
  }

  /** Hands a batch over for good, or only so that it is heard; `logged`, or why not. */
  async push(
    peer: string,
    original: Uint8Array,
    sync: boolean,
    timeoutMs: number
  ): Promise<string> {
    const { rpc } = this.#init
    if (rpc === undefined) {
      return 'no network'
    }
    try {
      const request = Push.encode({ originals: [original], sync: sync ? 1 : 0 })
      const reply = await rpc.call(peer, defaults.pushMethod, request, { timeoutMs })
      return PushReply.decode(reply).words[0] ?? 'ERR_MALFORMED_MESSAGE'
    } catch (error) {
      return codeOf(error)
    }
  }

  /**
   * Resolves when W logs have it, this one and those of `have` counted, or nobody is left to ask.
   * Peers that listen are asked first: they need it anyway.
   */
  async secure(
    original: Uint8Array,
    own: Promise<unknown>,
    deadline: number,
    have: readonly string[],
    listening: readonly string[]
  ): Promise<Secured> {
    const { mutants, peers } = this.#init
    if (mutants.acceptBeforeLog === true) {
      own.catch(() => undefined)
      return { accepted: true, copies: 1, holders: [], failed: [] }
    }
    const members = peers.members()
    const wanted = Math.min(this.#init.copiesWanted, members.length + 1) - 1
    const holders = have.filter((peer) => members.includes(peer))
    const candidates = [
      ...members.filter((peer) => listening.includes(peer)),
      ...members.filter((peer) => !listening.includes(peer))
    ].filter((peer) => !have.includes(peer))
    const failed = await this.#ask(original, deadline, wanted, holders, candidates)
    try {
      await own
    } catch (error) {
      const reason = codeOf(error)
      return { accepted: false, copies: holders.length, holders, failed: [{ peer: '', reason }] }
    }
    return { accepted: holders.length >= wanted, copies: holders.length + 1, holders, failed }
  }

  /**
   * Asks as many as are needed, and one more whenever nothing has come for a moment: one that is
   * silent must not hold up what another could confirm. Adds to `holders`; returns who failed.
   */
  async #ask(
    original: Uint8Array,
    deadline: number,
    wanted: number,
    holders: string[],
    candidates: string[]
  ): Promise<Secured['failed']> {
    const { clock } = this.#init
    const failed: { peer: string; reason: string }[] = []
    let asked = 0
    let more = 0
    let news = Promise.withResolvers<void>()
    const ask = async (peer: string, timeoutMs: number): Promise<void> => {
      asked += 1
      const word = await this.push(peer, original, true, timeoutMs)
      asked -= 1
      if (word === 'logged') {
        holders.push(peer)
      } else {
        failed.push({ peer, reason: word })
      }
      news.resolve()
    }
    for (;;) {
      const timeoutMs = Math.min(deadline - clock.monotonic(), defaults.askTimeoutMs)
      while (asked < wanted - holders.length + more && candidates.length > 0 && timeoutMs > 0) {
        void ask(candidates.shift() ?? '', timeoutMs)
      }
      if (holders.length >= wanted || asked === 0 || timeoutMs <= 0) {
        return failed
      }
      news = Promise.withResolvers<void>()
      const cancel = clock.schedule(Math.min(defaults.hedgeMs, timeoutMs), () => {
        more += 1
        news.resolve()
      })
      // Each look depends on what has come since the last one.
      // oxlint-disable-next-line no-await-in-loop
      await news.promise
      cancel()
    }
  }
}
