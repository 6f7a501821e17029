import type { KadDHT } from '@libp2p/kad-dht'
import type { AbortOptions, PeerInfo, PrivateKey } from '@libp2p/interface'
import { UnavailableError } from '@murmuration/interface'
import type {
  AgentRecord,
  Clock,
  LogSink,
  Member,
  Membership,
  Rpc,
  Service,
  View
} from '@murmuration/interface'
import { createPlacement, slotOf } from '@murmuration/placement'
import { systemClock } from '@murmuration/system'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { defaults } from '../defaults.ts'
import { sealView, SLOT_GROUPS, ViewReader } from './view-summary.ts'

const VIEW = 'registry.view'

export interface HomeHintsComponents {
  readonly dht: KadDHT
  readonly rpc: Rpc
  readonly membership: Membership
  /** Ed25519 key of this node. */
  readonly privateKey: PrivateKey
  readonly clock?: Clock
  readonly log?: LogSink
}

/**
 * Tells peers outside of the view, through the DHT, that this member serves certain groups of slots,
 * and proves it to who asks by a signed summary of its view. Hints only: no member waits for them.
 */
export class HomeHints implements Service {
  readonly #components: HomeHintsComponents
  readonly #clock: Clock
  readonly #provided = new Map<number, CID>()
  #sealed: { readonly view: View; readonly bytes: Promise<Uint8Array> } | undefined
  #working: Promise<void> = Promise.resolve()
  #stopping = new AbortController()
  readonly #onView = (): void => this.#soon()

  constructor(components: HomeHintsComponents) {
    this.#components = components
    this.#clock = components.clock ?? systemClock
  }

  start(): void {
    const { rpc, membership } = this.#components
    this.#stopping = new AbortController()
    rpc.handle(VIEW, () => this.#summary())
    membership.addEventListener('view', this.#onView)
    this.#soon()
  }

  stop(): void {
    const { rpc, membership } = this.#components
    this.#stopping.abort()
    membership.removeEventListener('view', this.#onView)
    rpc.unhandle(VIEW)
  }

  /** One view after the other; what fails is tried again with the next view. */
  #soon(): void {
    this.#working = this.#working.then(() =>
      this.#publish().catch((error: unknown) =>
        this.#components.log?.(`hints were not published: ${String(error)}`)
      )
    )
  }

  #summary(): Promise<Uint8Array> {
    const { membership, privateKey } = this.#components
    const { view } = membership
    if (view === undefined) throw new UnavailableError('this peer has no view yet')
    if (this.#sealed?.view !== view) {
      this.#sealed = { view, bytes: sealView(view, privateKey, this.#clock) }
    }
    return this.#sealed.bytes
  }

  async #publish(): Promise<void> {
    const { dht, membership, rpc } = this.#components
    const { view } = membership
    if (view === undefined) return
    const wanted = groupsOf(view, rpc.peer)
    for (const group of wanted) {
      if (this.#stopping.signal.aborted || membership.view !== view) return
      if (this.#provided.has(group)) continue
      const cid = await cidOf(view.cluster, group)
      for await (const _ of dht.provide(cid, this.#limited())) {
        // A walk does nothing unless it is followed to its end.
      }
      this.#provided.set(group, cid)
    }
    for (const [group, cid] of this.#provided) {
      if (wanted.has(group)) continue
      this.#provided.delete(group)
      await dht.cancelReprovide(cid)
    }
  }

  #limited(): AbortOptions {
    const late = AbortSignal.timeout(defaults.walkTimeoutMs)
    return { signal: AbortSignal.any([late, this.#stopping.signal]) }
  }
}

export interface HomeFinderComponents {
  readonly dht: KadDHT
  readonly rpc: Rpc
  /** Connects to a provider, so that it can be asked. */
  readonly connect: (provider: PeerInfo, options: AbortOptions) => Promise<unknown>
  readonly log?: LogSink
}

export interface HomeFinderInit {
  readonly cluster: string
  /** Whether the word of a connected peer on the view counts. @default any that the transport lets in */
  readonly trusts?: (peer: string) => boolean
}

/** Where an agent is, as a peer outside of the view knows it. */
export interface FoundHome {
  readonly view: number
  readonly owner: Member | undefined
  readonly home: readonly Member[]
}

/** Finds the home of agents from outside of the view. */
export interface HomeFinder {
  /** The highest view that was proven so far; lower ones are refused. */
  readonly view: View | undefined
  /** @throws UnavailableError when no provider proves a view as high as the highest one seen */
  find(
    agent: AgentRecord,
    options?: AbortOptions & { readonly fresh?: boolean }
  ): Promise<FoundHome>
}

export class DhtHomeFinder implements HomeFinder {
  readonly #components: HomeFinderComponents
  readonly #init: HomeFinderInit
  readonly #reader: ViewReader
  #view: View | undefined

  constructor(components: HomeFinderComponents, init: HomeFinderInit) {
    this.#components = components
    this.#init = init
    this.#reader = new ViewReader(init.cluster)
  }

  get view(): View | undefined {
    return this.#view
  }

  async find(
    agent: AgentRecord,
    options: AbortOptions & { readonly fresh?: boolean } = {}
  ): Promise<FoundHome> {
    if (this.#view === undefined || options.fresh === true) await this.#learn(agent, options)
    const view = this.#view
    if (view === undefined) {
      throw new UnavailableError(`no member of ${this.#init.cluster} proved a view`)
    }
    const placement = createPlacement(view)
    return { view: view.number, owner: placement.ownerOf(agent), home: placement.homeOf(agent) }
  }

  /** Asks providers of the agent's group until some have proven a view. */
  async #learn(agent: AgentRecord, options: AbortOptions): Promise<void> {
    const { dht } = this.#components
    const late = AbortSignal.timeout(defaults.walkTimeoutMs)
    const signal = options.signal === undefined ? late : AbortSignal.any([late, options.signal])
    const cid = await cidOf(this.#init.cluster, groupOf(agent))
    const asked = new Set<string>()
    let proven = 0
    try {
      for await (const event of dht.findProviders(cid, { signal })) {
        if (event.name !== 'PROVIDER') continue
        for (const provider of event.providers) {
          const peer = provider.id.toString()
          if (asked.has(peer) || proven >= defaults.viewsProven) continue
          asked.add(peer)
          if (await this.#ask(provider, signal)) proven++
        }
        if (proven >= defaults.viewsProven) return
      }
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      // The walk ended early: what was proven counts.
    }
    if (proven > 0 || this.#view !== undefined) return
    throw new UnavailableError(`${asked.size} providers proved nothing of ${agent.id}`)
  }

  async #ask(provider: PeerInfo, signal: AbortSignal): Promise<boolean> {
    const { rpc, connect, log } = this.#components
    const peer = provider.id.toString()
    try {
      await connect(provider, { signal })
      // Who it is and may be is known of a connected peer only.
      if (this.#init.trusts?.(peer) === false) return false
      const bytes = await rpc.call(peer, VIEW, new Uint8Array(0), {
        timeoutMs: defaults.questionTimeoutMs,
        signal
      })
      const view = await this.#reader.read(bytes, peer)
      if (view.number < (this.#view?.number ?? 0)) return false
      this.#view = view
      return true
    } catch (error) {
      log?.(`provider ${peer} proved nothing: ${String(error)}`)
      return false
    }
  }
}

/**
 * The groups in which a member is part of a home. A slot is a hash modulo the number of slots, so
 * where that is a multiple of the groups, the group of a key is its slot modulo the groups.
 */
function groupsOf(view: View, peer: string): ReadonlySet<number> {
  const groups = new Set<number>()
  const placement = createPlacement(view)
  const { slots } = view.placement
  // With another number of slots groups do not follow slots: each member serves all of them.
  if (slots % SLOT_GROUPS !== 0) return new Set(Array.from({ length: SLOT_GROUPS }, (_, at) => at))
  for (let slot = 0; slot < slots; slot++) {
    const group = slot % SLOT_GROUPS
    if (groups.has(group)) continue
    if (placement.homeOfSlot(slot, 3).some((member) => member.peer === peer)) groups.add(group)
  }
  return groups
}

/** The same for every number of slots, which is not known before there is a view. */
function groupOf(agent: AgentRecord): number {
  return slotOf(agent.shardKey ?? agent.id, SLOT_GROUPS)
}

async function cidOf(cluster: string, group: number): Promise<CID> {
  const text = `murmuration/${cluster}/slots/${group}`
  return CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(text)))
}
