import { bytes, integer, list, message, text } from '@murmuration/codec'
import type { Gossip, GossipMessage, Verdict } from '@murmuration/signals'
import type { SimulatedNode } from '@murmuration/testkit'

const method = 'simulated.gossip'
const topicsMethod = 'simulated.gossip.topics'
/** Messages that are remembered as seen; the oldest are forgotten first. */
const seenMax = 10_000
const deliveryTimeoutMs = 2000
const lengthMax = 1024 * 1024

const frame = message({
  topic: text(),
  author: text(),
  number: integer(),
  bytes: bytes({ max: lengthMax })
})
const announcement = message({ topics: list(text()) })
type Frame = ReturnType<typeof frame.decode>

/** Gossip by flooding: whoever accepts a message hands it to all subscribers that it is connected to. */
export class SimulatedGossip implements Gossip {
  readonly #node: SimulatedNode
  readonly #topics = new Set<string>()
  readonly #topicsOf = new Map<string, readonly string[]>()
  readonly #seen = new Set<string>()
  readonly #listeners = new Set<(peer: string, topic: string) => void>()
  #judge: ((message: GossipMessage) => Promise<Verdict>) | undefined
  #published = 0

  constructor(node: SimulatedNode) {
    this.#node = node
    const { rpc, links } = node
    rpc.handle(topicsMethod, (request, { peer }) => {
      this.#learn(peer, announcement.decode(request).topics)
      return new Uint8Array()
    })
    rpc.handle(method, async (request, { peer }) => {
      await this.#receive(frame.decode(request), peer)
      return new Uint8Array()
    })
    links.addEventListener('connected', ({ detail }) => this.#announce(detail.peer))
    links.addEventListener('disconnected', ({ detail }) => this.#topicsOf.delete(detail.peer))
  }

  async publish(topic: string, payload: Uint8Array): Promise<readonly string[]> {
    this.#published++
    const { name, life } = this.#node
    const author = `${name}/${life}`
    this.#remember(`${author}/${this.#published}`)
    return this.#handOn({ topic, author, number: this.#published, bytes: payload })
  }

  subscribe(topic: string): void {
    this.#topics.add(topic)
    this.#announceToAll()
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic)
    this.#announceToAll()
  }

  subscribers(topic: string): readonly string[] {
    return this.#node.links
      .connected()
      .filter((peer) => this.#topicsOf.get(peer)?.includes(topic) === true)
  }

  onMessage(judge: (message: GossipMessage) => Promise<Verdict>): () => void {
    this.#judge = judge
    return () => {
      this.#judge = undefined
    }
  }

  onSubscribed(listener: (peer: string, topic: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  peers(): readonly string[] {
    return this.#node.links.connected()
  }

  #learn(peer: string, topics: readonly string[]): void {
    const before = this.#topicsOf.get(peer) ?? []
    this.#topicsOf.set(peer, topics)
    for (const topic of topics.filter((one) => !before.includes(one))) {
      for (const listener of this.#listeners) {
        listener(peer, topic)
      }
    }
  }

  async #receive(received: Frame, from: string): Promise<void> {
    const { topic, author, number } = received
    const isNew = this.#remember(`${author}/${number}`)
    if (!isNew || !this.#topics.has(topic) || this.#judge === undefined) {
      return
    }
    const verdict = await this.#judge({ topic, bytes: received.bytes, from })
    if (verdict === 'accept') {
      this.#handOn(received, from)
    }
  }

  /** Sends and does not wait: what is lost is lost, as with gossip. */
  #handOn(sent: Frame, except?: string): readonly string[] {
    const peers = this.subscribers(sent.topic).filter((peer) => peer !== except)
    const request = frame.encode(sent)
    for (const peer of peers) {
      this.#send(peer, method, request)
    }
    return peers
  }

  #announceToAll(): void {
    for (const peer of this.#node.links.connected()) {
      this.#announce(peer)
    }
  }

  #announce(peer: string): void {
    this.#send(peer, topicsMethod, announcement.encode({ topics: [...this.#topics] }))
  }

  #send(peer: string, name: string, request: Uint8Array): void {
    this.#node.rpc
      .call(peer, name, request, { timeoutMs: deliveryTimeoutMs })
      // Announcements are repeated with the next connection; messages have repair above.
      .catch(() => {})
  }

  /** False where it was seen before. */
  #remember(id: string): boolean {
    if (this.#seen.has(id)) {
      return false
    }
    this.#seen.add(id)
    if (this.#seen.size > seenMax) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest)
        break
      }
    }
    return true
  }
}
