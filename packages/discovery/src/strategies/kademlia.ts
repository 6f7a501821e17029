import type { KadDHT } from '@libp2p/kad-dht'
import type { DiscoveryStrategy, FoundPeer } from '@murmuration/interface'
import type { Logger, PeerInfo } from '@libp2p/interface'
import type { StrategyComponents, StrategyFactory } from '../components.ts'
import { withDeadline } from '../deadline.ts'
import {
  KADEMLIA_EAGER_MS,
  KADEMLIA_FOUND_MAX,
  KADEMLIA_INTERVAL_MS,
  KADEMLIA_WALK_MS
} from '../defaults.ts'
import { number } from '../settings.ts'

/** Options of {@link kademlia}. */
export interface KademliaInit {
  /** The service of the node, see `kademliaNode`; a function where it is made later. */
  readonly dht: Walkable | (() => Walkable)
  /** Longest time between walks, reached when they find nobody new, in ms. @default 60000 */
  readonly intervalMs?: number
}

/** What is used of kad-dht. */
export type Walkable = Pick<KadDHT, 'getClosestPeers'>

/**
 * Walks towards random points of the key space and reports the peers that the others name. One
 * connection to any peer of the DHT is enough to begin with. While walks find somebody, or somebody was
 * connected since the last one, they follow each other each second; each that brings nothing new doubles
 * the time to the next, because the tables of the others may still be filling: a peer enters them some
 * time after it is connected.
 *
 * What a walk brings is a hint that anybody in the DHT can forge: at most 256 peers of one walk are
 * taken, and whether they are admitted is decided when they are dialled.
 *
 * Throws `InvalidParametersError`.
 */
export function kademlia(init: KademliaInit): StrategyFactory {
  const intervalMs = number(
    'intervalMs',
    init.intervalMs ?? KADEMLIA_INTERVAL_MS,
    KADEMLIA_EAGER_MS
  )
  const { dht } = init
  const walkable = (): Walkable => (typeof dht === 'function' ? dht() : dht)
  return (components) => new Kademlia(components, walkable, intervalMs)
}

class Kademlia implements DiscoveryStrategy {
  readonly name = 'kademlia'
  readonly #components: StrategyComponents
  readonly #log: Logger
  readonly #walkable: () => Walkable
  readonly #intervalMs: number
  #delayMs = KADEMLIA_EAGER_MS
  /** Who was connected when the last walk began. */
  #before: ReadonlySet<string> = new Set()
  #running: AbortController | undefined
  #cancel: (() => void) | undefined

  constructor(components: StrategyComponents, walkable: () => Walkable, intervalMs: number) {
    this.#components = components
    this.#log = components.logger.forComponent('murmuration:discovery:kademlia')
    this.#walkable = walkable
    this.#intervalMs = intervalMs
  }

  start(found: (peer: FoundPeer) => void): void {
    this.#running = new AbortController()
    this.#delayMs = KADEMLIA_EAGER_MS
    this.#before = new Set()
    this.#plan(0, found, this.#running.signal)
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#cancel?.()
  }

  #plan(delayMs: number, found: (peer: FoundPeer) => void, signal: AbortSignal): void {
    const { clock } = this.#components
    this.#cancel = clock.schedule(delayMs, () => void this.#round(found, signal))
  }

  async #round(found: (peer: FoundPeer) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#components
    const before = new Set(this.#components.connected())
    // Who was connected a moment ago may know others, which no walk has asked for yet.
    let isNews = before.size === 0 || [...before].some((peer) => !this.#before.has(peer))
    this.#before = before
    try {
      await withDeadline(clock, KADEMLIA_WALK_MS, signal, async (inner) => {
        // Each as it is named: the rest of a walk can take seconds, and its time can be up.
        await this.#walk(inner, ({ id, multiaddrs }) => {
          const peer = id.toString()
          if (peer !== this.#components.peer) {
            isNews ||= !before.has(peer)
            found({ peer, addresses: multiaddrs.map(String) })
          }
        })
      })
    } catch (error) {
      this.#log('a walk failed: %e', error)
    }
    if (!signal.aborted) {
      this.#delayMs = isNews ? KADEMLIA_EAGER_MS : Math.min(this.#intervalMs, this.#delayMs * 2)
      this.#plan(this.#delayMs * (0.5 + random.next()), found, signal)
    }
  }

  async #walk(signal: AbortSignal, tell: (peer: PeerInfo) => void): Promise<void> {
    const peers = new Set<string>()
    const key = this.#components.random.bytes(32)
    for await (const event of this.#walkable().getClosestPeers(key, { signal })) {
      const named =
        event.name === 'PEER_RESPONSE'
          ? event.closer
          : event.name === 'FINAL_PEER'
            ? [event.peer]
            : []
      for (const peer of named) {
        if (signal.aborted || peers.size >= KADEMLIA_FOUND_MAX) {
          return
        }
        if (peer.multiaddrs.length > 0) {
          peers.add(peer.id.toString())
          tell(peer)
        }
      }
    }
  }
}
