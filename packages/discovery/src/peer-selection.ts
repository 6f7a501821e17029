import { float, message } from '@murmuration/codec'
import { InvalidParametersError, UnavailableError } from '@murmuration/interface'
import type { Clock, Random, Rpc } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import { LoadBook, twoOf } from './core/load-book.ts'
import { withDeadline } from './deadline.ts'
import {
  LATENCY_BASE_MS,
  LOAD_FRESH_MS,
  LOAD_MAX,
  OFFER_CACHE_MAX,
  PICK_LOAD,
  SELECT_ROUNDS_MAX
} from './defaults.ts'

/** The RPC method by which peers ask each other how busy they are. */
const LOAD_METHOD = 'discovery.load'

const Question = message({})
const Answer = message({ load: float() })

export interface PeerSelectionComponents {
  /** PeerId (text) of this peer. */
  readonly self: string
  readonly rpc: () => Rpc
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Chooses peers by load and latency, and tells others the own load. */
export class PeerSelection {
  readonly #components: PeerSelectionComponents
  readonly #book = new LoadBook({
    freshMs: LOAD_FRESH_MS,
    latencyBaseMs: LATENCY_BASE_MS,
    pickLoad: PICK_LOAD,
    peersMax: OFFER_CACHE_MAX
  })
  #load = 0

  constructor(components: PeerSelectionComponents) {
    this.#components = components
  }

  start(): void {
    this.#components.rpc().handle(LOAD_METHOD, (request) => {
      Question.decode(request)
      return Answer.encode({ load: this.#load })
    })
  }

  stop(): void {
    this.#components.rpc().unhandle(LOAD_METHOD)
  }

  report(load: number): void {
    if (!(load >= 0 && load <= LOAD_MAX)) {
      throw new InvalidParametersError(`load must be 0 to ${LOAD_MAX}, got ${load}`)
    }
    this.#load = load
  }

  /** One of the candidates, or `UnavailableError`. */
  async select(
    candidates: readonly string[],
    timeoutMs: number,
    signal: AbortSignal
  ): Promise<string> {
    let left = candidates
    for (let round = 0; round < SELECT_ROUNDS_MAX && left.length > 0; round++) {
      const two = twoOf(left, this.#components.random)
      // A round is repeated only where both were silent.
      // oxlint-disable-next-line no-await-in-loop
      const answered = await Promise.all(
        two.map(async (peer) => ((await this.#refresh(peer, timeoutMs, signal)) ? peer : undefined))
      )
      const [best] = answered
        .filter((peer) => peer !== undefined)
        .toSorted((one, other) => this.#book.score(one) - this.#book.score(other))
      if (best !== undefined) {
        this.#book.picked(best)
        return best
      }
      left = left.filter((peer) => !two.includes(peer))
    }
    throw new UnavailableError('no peer that offers this answers')
  }

  /** Whether the load of a peer is known now. */
  async #refresh(peer: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { self, rpc, clock, log } = this.#components
    const began = clock.monotonic()
    if (this.#book.isFresh(peer, began)) {
      return true
    }
    if (peer === self) {
      this.#book.observe(peer, this.#load, 0, began)
      return true
    }
    try {
      const reply = await withDeadline(clock, timeoutMs, signal, async (inner) =>
        rpc().call(peer, LOAD_METHOD, Question.encode({}), { timeoutMs, signal: inner })
      )
      const now = clock.monotonic()
      this.#book.observe(peer, sensible(Answer.decode(reply).load), now - began, now)
      return true
    } catch (error) {
      signal.throwIfAborted()
      log('%s did not say how busy it is: %e', peer, error)
      return false
    }
  }
}

/** What another peer claims; nonsense counts as the highest load. */
function sensible(load: number): number {
  return load >= 0 && load <= LOAD_MAX ? load : LOAD_MAX
}
