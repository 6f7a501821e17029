import { TypedEventEmitter } from 'main-event'
import { PeerUnavailableError } from '@murmuration/interface'
import type { DiscoveryEvents, FoundPeer } from '@murmuration/interface'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedProcess } from './process.ts'

const probeTimeoutMs = 1000

/** What a probe finds: an answer, a closed port, or neither. */
export type ProbeResult = 'alive' | 'refused' | 'unknown'

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

  /** Dials anew and says what it found; a silent peer is given up after a second. */
  probe(peer: string): Promise<ProbeResult> {
    const found = this.#network.dial(this.#process.name, peer)
    const delay = found === 'silent' ? probeTimeoutMs : 2 * this.#network.delay()
    return new Promise((resolve) => {
      this.#process.post(delay, 'message', () => {
        const now = found === 'silent' ? found : this.#network.dial(this.#process.name, peer)
        resolve(now === 'reachable' ? 'alive' : now === 'refused' ? 'refused' : 'unknown')
      })
    })
  }
}
