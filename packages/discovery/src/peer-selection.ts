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
  SELECT_PATIENCE_MS,
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
      const now = this.#components.clock.monotonic()
      // Who was silent a moment ago is asked only where nobody else is left.
      const awake = left.filter((peer) => !this.#book.isSilent(peer, now))
      const two = twoOf(awake.length > 0 ? awake : left, this.#components.random)
      // A round is repeated only where both were silent.
      // oxlint-disable-next-line no-await-in-loop
      const answered = await this.#answering(two, timeoutMs, signal)
      const [best] = answered.toSorted(
        (one, other) => this.#book.score(one) - this.#book.score(other)
      )
      if (best !== undefined) {
        this.#book.picked(best)
        return best
      }
      left = left.filter((peer) => !two.includes(peer))
    }
    throw new UnavailableError('no peer that offers this answers')
  }

  /**
   * Those whose load is known now. Once one of them is, the others have only a short time: one that
   * is frozen must not hold up the choice. What comes later still counts for the next one.
   */
  async #answering(
    peers: readonly string[],
    timeoutMs: number,
    signal: AbortSignal
  ): Promise<readonly string[]> {
    const { clock } = this.#components
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const answered: string[] = []
    let left = peers.length
    let cancel = (): void => {}
    for (const peer of peers) {
      this.#refresh(peer, timeoutMs, signal).then((isKnown) => {
        if (isKnown) {
          answered.push(peer)
        }
        if (--left === 0) {
          resolve()
        } else if (isKnown) {
          cancel = clock.schedule(SELECT_PATIENCE_MS, resolve)
        }
      }, reject)
    }
    try {
      await promise
    } finally {
      cancel()
    }
    for (const peer of peers) {
      if (!answered.includes(peer)) {
        this.#book.silent(peer, clock.monotonic())
      }
    }
    return answered
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
