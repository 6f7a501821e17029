import type { AbortOptions } from '@libp2p/interface'
import { TypedEventEmitter } from 'main-event'
import { UnavailableError } from '@murmuration/interface'
import type {
  ActionOffer,
  Discovery,
  DiscoveryEvents,
  FoundPeer,
  OfferedAction,
  PartialAnswer,
  SelectOptions
} from '@murmuration/interface'
import type { ProbeResult, SimulatedNode } from '@murmuration/testkit'

const method = 'simulated.offers'
const askTimeoutMs = 1000
/** How often kept peers without a connection are dialled. */
const redialMs = 500

type Labels = Readonly<Record<string, string>>

interface Offer {
  readonly actions: readonly OfferedAction[]
  readonly labels: Labels
}

/** {@link Discovery} over simulated connections: everybody can be dialled by name. */
export class SimulatedDiscovery extends TypedEventEmitter<DiscoveryEvents> implements Discovery {
  readonly #node: SimulatedNode
  #offer: Offer = { actions: [], labels: {} }
  #kept: readonly FoundPeer[] = []
  #cancel: (() => void) | undefined

  constructor(node: SimulatedNode) {
    super()
    this.#node = node
    node.links.addEventListener('connected', ({ detail }) => {
      this.safeDispatchEvent('connected', { detail })
    })
    node.links.addEventListener('disconnected', ({ detail }) => {
      this.safeDispatchEvent('disconnected', { detail })
    })
    node.rpc.handle(method, () => new TextEncoder().encode(JSON.stringify(this.#offer)))
  }

  start(): void {
    this.#redial()
  }

  stop(): void {
    this.#cancel?.()
  }

  connected(): readonly string[] {
    return this.#node.links.connected()
  }

  keep(peers: readonly FoundPeer[]): void {
    this.#kept = peers
    this.#node.links.keep(peers)
  }

  connect(peer: FoundPeer): Promise<void> {
    return this.#node.links.connect(peer)
  }

  /** Tells a peer whose process is gone from a silent one. */
  probe(peer: string): Promise<ProbeResult> {
    return this.#node.links.probe(peer)
  }

  offer(actions: readonly OfferedAction[], labels: Labels = {}): void {
    this.#offer = { actions, labels }
  }

  async actions(): Promise<PartialAnswer<ActionOffer>> {
    const { offers, silent } = await this.#offers()
    const found = new Map<string, { readonly action: OfferedAction; readonly peers: string[] }>()
    for (const [peer, { actions }] of offers) {
      for (const action of actions) {
        const key = `${action.name} ${action.version}`
        const same = found.get(key) ?? { action, peers: [] }
        same.peers.push(peer)
        found.set(key, same)
      }
    }
    return {
      answers: [...found.values()].map(({ action, peers }) => ({ ...action, peers })),
      silent
    }
  }

  async findCapablePeers(
    actions: readonly string[],
    { labels = {} }: AbortOptions & { readonly labels?: Labels } = {}
  ): Promise<PartialAnswer<string>> {
    const { offers, silent } = await this.#offers()
    const answers = [...offers]
      .filter(([, offer]) =>
        actions.every((name) => offer.actions.some((one) => one.name === name))
      )
      .filter(([, offer]) => {
        return Object.entries(labels).every(([name, value]) => offer.labels[name] === value)
      })
      .map(([peer]) => peer)
    return { answers, silent }
  }

  reportLoad(): void {
    // Nobody here chooses by load.
  }

  async selectPeer({ actions = [], labels = {}, among }: SelectOptions = {}): Promise<string> {
    const { answers } = await this.findCapablePeers(actions, { labels })
    const allowed = answers.filter((peer) => among === undefined || among.includes(peer))
    const chosen = allowed[Math.floor(this.#node.random.next() * allowed.length)]
    if (chosen === undefined) {
      throw new UnavailableError(`no peer offers ${actions.join(', ')}`)
    }
    return chosen
  }

  async #offers(): Promise<{
    readonly offers: ReadonlyMap<string, Offer>
    readonly silent: readonly string[]
  }> {
    const { name, rpc } = this.#node
    const offers = new Map([[name, this.#offer]])
    const silent: string[] = []
    const ask = async (peer: string): Promise<void> => {
      try {
        const answer = await rpc.call(peer, method, new Uint8Array(), { timeoutMs: askTimeoutMs })
        offers.set(peer, JSON.parse(new TextDecoder().decode(answer)) as Offer) // written above
      } catch {
        silent.push(peer)
      }
    }
    await Promise.all(this.connected().map(ask))
    return { offers, silent }
  }

  #redial(): void {
    const connected = new Set(this.connected())
    for (const peer of this.#kept) {
      if (peer.peer !== this.#node.name && !connected.has(peer.peer)) {
        // It is dialled again soon.
        this.connect(peer).catch(() => {})
      }
    }
    this.#cancel = this.#node.clock.schedule(redialMs, () => this.#redial())
  }
}
