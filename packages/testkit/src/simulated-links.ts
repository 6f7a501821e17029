import { TypedEventEmitter } from 'main-event'
import { PeerUnavailableError } from '@murmuration/interface'
import type { DiscoveryEvents, FoundPeer } from '@murmuration/interface'
import type { DialResult, SimulatedNetwork } from './network.ts'
import type { SimulatedProcess } from './process.ts'

/**
 * The connections of one simulated process, in the shape of the part of `Discovery` that protocols
 * use: who is connected, when that changes, and what a probe finds.
 */
export class SimulatedLinks extends TypedEventEmitter<DiscoveryEvents> {
  readonly #process: SimulatedProcess
  readonly #network: SimulatedNetwork
  #kept: readonly FoundPeer[] = []

  constructor(process: SimulatedProcess, network: SimulatedNetwork) {
    super()
    this.#process = process
    this.#network = network
  }

  connected(): readonly string[] {
    return this.#network.connectedOf(this.#process)
  }

  /** Remembered only: simulated calls connect by themselves. */
  keep(peers: readonly FoundPeer[]): void {
    this.#kept = peers
  }

  get kept(): readonly FoundPeer[] {
    return this.#kept
  }

  connect(peer: FoundPeer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#process.post(this.#network.delay(), 'message', () => {
        const found = this.#network.connect(this.#process, peer.peer)
        if (found === 'reachable') {
          resolve()
        } else {
          reject(new PeerUnavailableError(`no connection to ${peer.peer}: ${found}`))
        }
      })
    })
  }

  /** Dials anew and says what it found; a silent peer is given up after the timeout. */
  probe(peer: string, options: { readonly timeoutMs?: number } = {}): Promise<DialResult> {
    const found = this.#network.dial(this.#process.name, peer)
    const delay = found === 'silent' ? (options.timeoutMs ?? 1000) : 2 * this.#network.delay()
    return new Promise((resolve) => {
      this.#process.post(delay, 'message', () => {
        resolve(found === 'silent' ? 'silent' : this.#network.dial(this.#process.name, peer))
      })
    })
  }
}
