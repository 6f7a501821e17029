import type { Gossip } from './gossip.ts'

export interface PeersInit {
  readonly self: string
  readonly gossip: Gossip | undefined
  readonly view: (() => readonly string[]) | undefined
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

  /** These and whoever is connected. */
  known(): readonly string[] {
    const { view } = this.#init
    return view === undefined
      ? this.#gossiping()
      : [...new Set([...this.members(), ...this.#gossiping()])]
  }

  /** Whether members are told of, and not only met: then each of them has to answer. */
  get areTold(): boolean {
    return this.#init.view !== undefined
  }

  /** Whether a peer is one of those that hold copies, this one included. */
  isMember(peer: string): boolean {
    return peer === this.#init.self || this.members().includes(peer)
  }

  #gossiping(): readonly string[] {
    return this.#init.gossip?.peers() ?? []
  }
}
