import type { Gossip } from './gossip.ts'

export interface PeersInit {
  readonly self: string
  readonly gossip: Gossip | undefined
  readonly view: (() => readonly string[]) | undefined
  /** Names of all topics. */
  readonly topics: readonly string[]
}

/** The other peers that this one works with. */
export class Peers {
  readonly #init: PeersInit

  constructor(init: PeersInit) {
    this.#init = init
  }

  /** Those that hold copies and have to know of durable subscriptions: the members of the view. */
  members(): readonly string[] {
    const { self, view } = this.#init
    return view === undefined ? this.#gossiping() : view().filter((peer) => peer !== self)
  }

  /** These and whoever is known to listen to something. */
  known(): readonly string[] {
    const { view } = this.#init
    return view === undefined
      ? this.#gossiping()
      : [...new Set([...this.members(), ...this.#gossiping()])]
  }

  /** Whether a peer is one of those that hold copies, this one included. */
  isMember(peer: string): boolean {
    return peer === this.#init.self || this.members().includes(peer)
  }

  #gossiping(): readonly string[] {
    const { gossip, topics } = this.#init
    if (gossip === undefined) {
      return []
    }
    return [...new Set(topics.flatMap((topic) => gossip.subscribers(topic)))]
  }
}
