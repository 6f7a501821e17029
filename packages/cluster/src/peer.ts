import type { AbortOptions } from '@libp2p/interface'
import type { AgentRef, Agents, AgentType } from '@murmuration/agent'
import { AbortedError } from '@murmuration/interface'
import type {
  Discovery,
  LogSink,
  Member,
  Membership,
  Partition,
  Registers,
  Registry,
  Signals,
  View,
  ViewControl
} from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import type { HomeFinder } from '@murmuration/registry'
import type { State } from '@murmuration/state'
import type { Closers } from './closers.ts'
import { defaults } from './defaults.ts'
import { drain, drainDeadline, giveAway } from './drain.ts'
import type {
  Cluster,
  ClusterIdentity,
  ClusterPlacement,
  ClusterRecovery,
  ClusterStatus
} from './index.ts'
import type { ClusterMotion } from './motion.ts'
import { Placing } from './placing.ts'
import type { Platform } from './platform.ts'
import type { Settings } from './settings.ts'

/** The started parts of a peer. */
export interface PeerParts {
  readonly settings: Settings
  readonly platform: Platform
  readonly membership: JoiningMembership
  readonly registers: Registers | undefined
  readonly state: State
  readonly signals: Signals
  readonly partition: Partition
  readonly agents: Agents
  readonly registry: Registry
  readonly recovery: ClusterRecovery
  /** Undefined on a peer that is alone or no member. */
  readonly motion: ClusterMotion | undefined
  readonly log: LogSink
}

export class Peer implements Cluster {
  readonly #parts: PeerParts
  readonly #closers: Closers
  readonly placement: ClusterPlacement
  #stopped = false
  #isDraining = false

  constructor(parts: PeerParts, closers: Closers) {
    this.#parts = parts
    this.#closers = closers
    this.placement = new Placing({ ...parts, ...parts.platform })
  }

  get name(): string {
    return this.#parts.settings.name
  }

  get mode(): 'single' | 'distributed' {
    return this.#parts.settings.distributed ? 'distributed' : 'single'
  }

  get status(): ClusterStatus {
    if (this.#stopped) return 'stopped'
    if (this.#isDraining) return 'draining'
    return this.#isReady() ? 'ready' : 'starting'
  }

  get peerId(): string {
    return this.#parts.platform.peer
  }

  get addresses(): readonly string[] {
    return this.#parts.platform.addresses?.() ?? []
  }

  get view(): View | undefined {
    return this.#parts.membership.view
  }

  get agents(): Agents {
    return this.#parts.agents
  }

  get homes(): HomeFinder | undefined {
    return this.#parts.platform.hints?.homes
  }

  get registry(): Registry {
    return this.#parts.registry
  }

  get signals(): Signals {
    return this.#parts.signals
  }

  get registers(): Registers | undefined {
    return this.#parts.registers
  }

  get state(): State {
    return this.#parts.state
  }

  get membership(): Membership & ViewControl {
    return this.#parts.membership
  }

  get partition(): Partition {
    return this.#parts.partition
  }

  get discovery(): Discovery | undefined {
    return this.#parts.platform.discovery
  }

  get recovery(): ClusterRecovery {
    return this.#parts.recovery
  }

  get identity(): ClusterIdentity | undefined {
    return this.#parts.platform.identity
  }

  members(): readonly Member[] {
    return this.view?.members ?? []
  }

  agent<T extends AgentType>(type: T, key: string): AgentRef<T> {
    return this.#parts.agents.agent(type, key)
  }

  getAgent(id: string): AgentRef<AgentType> {
    return this.#parts.agents.get(id)
  }

  async ready(options: AbortOptions = {}): Promise<void> {
    await this.#parts.membership.joined(options)
    const { clock } = this.#parts.platform
    for (;;) {
      if (this.#stopped || this.#isDraining) throw new AbortedError('this peer stops')
      if (this.#isReady()) return
      if (options.signal?.aborted === true) {
        const reasons = ['this peer was not ready in time', ...this.#parts.partition.reasons]
        throw new AbortedError(reasons.join('; '))
      }
      await new Promise<void>((resolve) => void clock.schedule(defaults.readyPollMs, resolve))
    }
  }

  #isReady(): boolean {
    const { view } = this
    if (view === undefined) return false
    const { settings } = this.#parts
    const others = view.members.filter(({ peer }) => peer !== this.peerId)
    const connected = new Set(this.discovery?.connected())
    if (settings.role !== 'member') return others.some(({ peer }) => connected.has(peer))
    if (others.length === view.members.length) return false
    // A member that is down must not keep this one from being ready.
    if (!others.every(({ peer }) => connected.has(peer) || this.#isDown(peer))) return false
    const isAlone = others.length > 0 && !others.some(({ peer }) => connected.has(peer))
    return !isAlone || this.#goesOnAlone(others)
  }

  /** All others are down, or this peer is shut out: whether it would serve anybody then. */
  #goesOnAlone(others: readonly Member[]): boolean {
    const { partition, settings } = this.#parts
    const sides = [[this.peerId], others.map(({ peer }) => peer)]
    const policies = [
      settings.onPartition ?? 'pause-minority',
      ...settings.agents.map(({ onPartition }) => onPartition)
    ]
    return policies.some((policy) => {
      const [own] = policy === undefined ? [] : partition.simulate(policy, sides)
      return own?.decision.verdict === 'run'
    })
  }

  #isDown(peer: string): boolean {
    return this.#parts.membership.reachability(peer) !== 'reachable'
  }

  async drain(options: AbortOptions & { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#isDraining = true
    const deadline = drainDeadline(this.#parts, options)
    try {
      await giveAway(this.#parts, options)
    } catch (error) {
      this.#isDraining = false
      throw error
    }
    try {
      await drain(this.#parts, { ...options, deadline })
    } finally {
      await this.stop()
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#closers.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
