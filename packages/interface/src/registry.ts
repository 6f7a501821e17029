import type { TypedEventTarget } from 'main-event'
import type { AbortOptions } from '@libp2p/interface'
import type { AgentRecord, Epoch } from './agent-record.ts'
import type { Service } from './runtime.ts'

export type UnavailableReason =
  | 'no-view'
  | 'no-quorum'
  | 'pinned-peer-absent'
  | 'merging'
  | 'paused'
  | 'at-capacity'

/** Result of `claim`. */
export type ClaimResult =
  | { readonly status: 'claimed'; readonly epoch: Epoch }
  /** Nobody has it, and placement says that another peer should. */
  | { readonly status: 'redirect'; readonly peer: string }
  /** It runs elsewhere. */
  | { readonly status: 'conflict'; readonly owner: string; readonly epoch: Epoch }
  | { readonly status: 'unavailable'; readonly reason: UnavailableReason }
  /** The question was sent and no answer came: ask again. */
  | { readonly status: 'unknown' }

/** Result of `find`. `fresh` is computed from the agreed view or asked of the home; `cached` is not. */
export type FindResult =
  | { readonly status: 'local'; readonly freshness: 'fresh' }
  | { readonly status: 'remote'; readonly peer: string; readonly freshness: 'fresh' | 'cached' }
  | {
      readonly status: 'migrating'
      readonly from: string
      readonly to: string
      readonly freshness: 'fresh' | 'cached'
    }
  | { readonly status: 'not-found'; readonly freshness: 'fresh' | 'cached' }

/** What the registry knows of an agent. */
export interface AgentDescriptor extends AgentRecord {
  readonly location: FindResult
  readonly epoch: Epoch | undefined
  /** PeerIds (text) of the replicas by the current view; only the location itself where there is no view. */
  readonly home: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Routing metadata: whatever callers need to choose an agent or talk to it. */
  readonly metadata: Readonly<Record<string, string>>
}

/** What is registered: how the agent is placed, and what others shall know of it. */
export interface Registration extends AgentRecord {
  /** At most 32, of 256 characters. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** At most 32, of 256 characters. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
}

/** How one side of a split knew an agent, when the sides met again. */
export interface MergedSide {
  /** Who ran it for that side. */
  readonly peer: string
  /** The side went on by itself, under this name. @default it could decide views */
  readonly branch?: string
  /** @default it is not known any more */
  readonly epoch?: Epoch
  readonly labels: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, string>>
}

export type RegistryChange =
  | {
      readonly type: 'registered'
      readonly id: string
      readonly peer: string
      readonly reason: string
    }
  | {
      readonly type: 'moved'
      readonly id: string
      readonly from: string
      readonly peer: string
      readonly reason: string
    }
  | {
      readonly type: 'unregistered'
      readonly id: string
      readonly peer: string
      readonly reason: string
    }
  | {
      readonly type: 'conflicted'
      readonly id: string
      readonly peer: string
      readonly reason: string
    }
  /**
   * Several sides of a split had the agent, and what they did is one again. Told once, by the peer
   * that had it for the side that went on by itself, which comes first in `sides`.
   */
  | {
      readonly type: 'merged'
      readonly id: string
      /** Who owns it now. */
      readonly peer: string
      readonly reason: string
      readonly sides: readonly [here: MergedSide, there: MergedSide]
    }

export interface RegistryEvents {
  change: CustomEvent<RegistryChange>
  /** Of the changes, those that tell of a conflict between sides of a split, for a handler of these. */
  merged: CustomEvent<Extract<RegistryChange, { readonly type: 'merged' }>>
}

/** Who owns which agent, asked from anywhere. */
export interface Registry extends TypedEventTarget<RegistryEvents>, Service {
  claim(
    agent: AgentRecord,
    options?: AbortOptions & { readonly here?: boolean }
  ): Promise<ClaimResult>
  /** Claims the agent here and publishes its labels and metadata. */
  register(agent: Registration, options?: AbortOptions): Promise<ClaimResult>
  unregister(id: string, options?: AbortOptions): Promise<boolean>
  find(id: string, options?: AbortOptions): Promise<FindResult>
  describe(id: string, options?: AbortOptions): Promise<AgentDescriptor | undefined>
  /** Changes of agents whose id matches, `*` for one segment and `**` for any; ends with the signal. */
  watch(pattern: string, options?: AbortOptions): AsyncIterable<RegistryChange>
}
