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
    const { clock, mutants, peers } = this.#init
    if (mutants.acceptBeforeLog === true) {
      own.catch(() => undefined)
      return { accepted: true, copies: 1, holders: [], failed: [] }
    }
    const members = peers.members()
    const wanted = Math.min(this.#init.copiesWanted, members.length + 1) - 1
    const holders = have.filter((peer) => members.includes(peer))
    const failed: { peer: string; reason: string }[] = []
    const candidates = [
      ...members.filter((peer) => listening.includes(peer)),
      ...members.filter((peer) => !listening.includes(peer))
    ].filter((peer) => !have.includes(peer))
    while (holders.length < wanted && candidates.length > 0) {
      const timeoutMs = deadline - clock.monotonic()
      if (timeoutMs <= 0) {
        break
      }
      const asked = candidates.splice(0, wanted - holders.length)
      const patience = Math.min(timeoutMs, defaults.askTimeoutMs)
      // The next ones are asked only where these fail.
      // oxlint-disable-next-line no-await-in-loop
      const words = await Promise.all(
        asked.map((peer) => this.push(peer, original, true, patience))
      )
      for (const [index, peer] of asked.entries()) {
        const word = words[index] ?? ''
        if (word === 'logged') {
          holders.push(peer)
        } else {
          failed.push({ peer, reason: word })
        }
      }
    }
    try {
      await own
    } catch (error) {
      const reason = codeOf(error)
      return { accepted: false, copies: holders.length, holders, failed: [{ peer: '', reason }] }
    }
    return { accepted: holders.length >= wanted, copies: holders.length + 1, holders, failed }
  }
}
