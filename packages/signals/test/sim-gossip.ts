import type { SimulatedNode, Simulation } from '@murmuration/testkit'
import type { Gossip, GossipMessage, Verdict } from '../src/index.ts'

const method = 'gossip'

interface Member {
  readonly node: SimulatedNode
  readonly topics: Set<string>
  judge: ((message: GossipMessage) => Promise<Verdict>) | undefined
  told: ((peer: string, topic: string) => void) | undefined
}

/**
 * Gossip over the simulated network, as gossipsub does it in a small cluster: authors send to all
 * subscribers they know, nothing is confirmed, and what is lost on the way is lost.
 */
export class SimGossip {
  readonly #simulation: Simulation
  readonly #members = new Map<string, Member>()
  /** Whether authors know whom they reach, so that batches name them and are not sent on. */
  named = false
  /** What was sent, for whoever wants to send it again. */
  readonly sent: { readonly topic: string; readonly bytes: Uint8Array }[] = []

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  join(node: SimulatedNode): Gossip {
    const named = {
      reaches: (topic: string): readonly string[] => this.#subscribers(topic, node.name)
    }
    const member: Member = { node, topics: new Set(), judge: undefined, told: undefined }
    this.#members.set(node.name, member)
    node.rpc.handle(method, async (request, { peer }) => {
      const at = request.indexOf(0)
      const topic = new TextDecoder().decode(request.subarray(0, at))
      if (member.topics.has(topic)) {
        await member.judge?.({ topic, bytes: request.slice(at + 1), from: peer })
      }
      return new Uint8Array(0)
    })
    // It hears of the others, as after a connection.
    for (const other of this.#running(node.name)) {
      for (const topic of other.topics) {
        node.clock.schedule(20, () => member.told?.(other.node.name, topic))
      }
    }
    return {
      ...(this.named ? named : {}),
      publish: async (topic, bytes) => {
        this.sent.push({ topic, bytes })
        const to = this.#subscribers(topic, node.name)
        for (const peer of to) {
          this.#send(node, peer, topic, bytes)
        }
        return to
      },
      subscribe: (topic) => {
        member.topics.add(topic)
        for (const other of this.#running(node.name)) {
          other.node.clock.schedule(20, () => other.told?.(node.name, topic))
        }
      },
      unsubscribe: (topic) => void member.topics.delete(topic),
      subscribers: (topic) => this.#subscribers(topic, node.name),
      onMessage: (judge) => {
        member.judge = judge
        return () => {
          member.judge = undefined
        }
      },
      onSubscribed: (listener) => {
        member.told = listener
        return () => {
          member.told = undefined
        }
      },
      peers: () => this.#running(node.name).map((other) => other.node.name)
    }
  }

  /** Brings bytes to a peer as its neighbour would. */
  inject(to: string, from: string, topic: string, bytes: Uint8Array): Promise<Verdict> {
    const judge = this.#members.get(to)?.judge
    return judge?.({ topic, bytes, from }) ?? Promise.resolve('ignore')
  }

  #send(node: SimulatedNode, peer: string, topic: string, bytes: Uint8Array): void {
    const head = new TextEncoder().encode(topic)
    const request = new Uint8Array(head.length + 1 + bytes.length)
    request.set(head)
    request.set(bytes, head.length + 1)
    // Whether it arrives is what gossip does not tell.
    node.rpc.call(peer, method, request, { timeoutMs: 500 }).catch(() => undefined)
  }

  #running(except: string): Member[] {
    return [...this.#members.values()].filter(
      ({ node }) =>
        node.name !== except &&
        this.#simulation.isRunning(node.name) &&
        this.#simulation.node(node.name) === node
    )
  }

  #subscribers(topic: string, except: string): string[] {
    return this.#running(except)
      .filter(({ topics }) => topics.has(topic))
      .map(({ node }) => node.name)
  }
}
