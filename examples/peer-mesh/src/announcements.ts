import type { Cluster } from '@murmuration/cluster'

/** Agents of which it is remembered where they ran last; the oldest is forgotten first. */
const AGENTS_KEPT = 10_000

/**
 * Says as signals what happens in the mesh: an agent that runs elsewhere than before, and a peer that
 * the others go on without. Alerts of devices are emitted by their agents.
 */
export class Announcements {
  readonly #cluster: Cluster
  /** Where agents ran last, as their peers have said. */
  readonly #ranAt = new Map<string, string>()
  #running = new Set<string>()
  #members: readonly string[] = []

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** The signals of this class that say nothing to people. */
  static isQuiet(type: string): boolean {
    return type === 'agent.started'
  }

  hear(signal: { readonly type: string; readonly subject?: string }, author: string): void {
    if (signal.type !== 'agent.started' && signal.type !== 'agent.moved') return
    const id = signal.subject ?? ''
    this.#ranAt.delete(id)
    this.#ranAt.set(id, author)
    if (this.#ranAt.size > AGENTS_KEPT) {
      const [oldest] = this.#ranAt.keys()
      if (oldest !== undefined) this.#ranAt.delete(oldest)
    }
  }

  /** Compares what runs here with the last look. */
  tellAgents(): void {
    const running = new Set(this.#cluster.agents.running().map(({ id }) => id))
    for (const id of running) {
      if (this.#running.has(id)) continue
      const from = this.#ranAt.get(id)
      const moved = from !== undefined && from !== this.#cluster.peerId
      if (moved) this.#publish('agent.moved', id, { from }, 'at-least-once')
      else this.#publish('agent.started', id, {}, 'at-most-once')
    }
    this.#running = running
  }

  /** One of the members that are left says who is gone. */
  tellView(view: number, members: readonly string[]): void {
    const gone = this.#members.filter((peer) => !members.includes(peer))
    this.#members = members
    if (members[0] !== this.#cluster.peerId) return
    for (const peer of gone) this.#publish('peer.failover', peer, { view }, 'at-least-once')
  }

  #publish(
    type: string,
    subject: string,
    data: object,
    delivery: 'at-least-once' | 'at-most-once'
  ): void {
    this.#cluster.signals
      .publish({ type, subject, data }, { delivery })
      // While the cluster stops there is nobody left to tell.
      .catch((error: unknown) => process.stderr.write(`${type} ${subject}: ${String(error)}\n`))
  }
}
