import type { Epoch } from '@murmuration/interface'
import type { SetKind } from './agents.ts'

/** What a peer process is started with, as JSON in its environment. */
export interface PeerInit {
  readonly index: number
  readonly secret: string
  readonly listen: string
  readonly announce: string | undefined
  readonly bootstrap: readonly string[]
  readonly dataDir: string
  /** What its connections come from, where the links are proxies. */
  readonly from: string | undefined
  /** Agents of each kind of sets; one loop of operations runs for each. 0: no load. */
  readonly keys: number
  /** Milliseconds between two operations of one loop. */
  readonly paceMs: number
}

/** `begun`: it was sent, and nothing more is known. Told before it is sent, as its client may die. */
export type Outcome = 'begun' | 'ok' | 'failed' | 'unknown'

/** Which work an operation is part of; also the type of its agent, where it has one. */
export type Kind = SetKind | 'journal' | 'shift' | 'diary' | 'signal'

/** One operation as its client saw it. Times in milliseconds since 1970, by the launcher's clock. */
export interface Operation {
  /** The peer whose client did it. */
  readonly client: number
  /** The process of that peer: one client after another. */
  readonly life: number
  readonly kind: Kind
  readonly key: string
  readonly action:
    | 'add'
    | 'remove'
    | 'size'
    | 'append'
    | 'list'
    | 'claim'
    | 'act'
    | 'write'
    | 'read'
    | 'publish'
  readonly name: string
  readonly begun: number
  readonly ms: number
  /** Of these, how long its client did not run at all, on a machine with too much to do. */
  readonly stalledMs: number
  readonly outcome: Outcome
  /** Name of the error, where there was one. */
  readonly error?: string
  /** What it saw, where that is checked. */
  readonly list?: readonly string[]
  readonly versions?: Readonly<Record<string, number>>
  readonly epoch?: Epoch
  /** Of a removal: whether the name was there. */
  readonly had?: boolean
}

/** What an owner does to the world outside of the cluster. */
export interface Effect {
  readonly key: string
  readonly epoch: Epoch
  readonly name: string
}

/** A signal that a peer was given. */
export interface Heard {
  readonly name: string
  readonly author: string
  /** By a durable subscription: at least once; else at most once. */
  readonly durable: boolean
}

export interface Reading {
  /** PeerIds of its replicas. */
  readonly replicas: readonly string[]
  readonly count: number
  readonly names: readonly string[]
}

export type FromPeer =
  | { readonly kind: 'listening'; readonly peer: string; readonly addresses: readonly string[] }
  | { readonly kind: 'ready' }
  | { readonly kind: 'operations'; readonly operations: readonly Operation[] }
  | {
      readonly kind: 'status'
      readonly view: number
      readonly members: number
      readonly settled: number
      /** Indexes of members that have not reported the view, and layers of this peer. */
      readonly unreported: string
      /** Documents for which its state waits before it reports the view. */
      readonly unsettled: number
      readonly standing: string
      readonly links: string
      /** Operations under way. */
      readonly busy: number
    }
  | { readonly kind: 'effect'; readonly id: number; readonly effect: Effect }
  | { readonly kind: 'heard'; readonly heard: readonly Heard[] }
  /** Its durable subscription is known to all. */
  | { readonly kind: 'subscribed' }
  | { readonly kind: 'healed'; readonly durationMs: number; readonly missed: number }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly reading?: Reading
      readonly error?: string
    }
  | { readonly kind: 'failed'; readonly reason: string }

export type ToPeer =
  /** Ends the load: no operation begins after this. */
  | { readonly kind: 'rest' }
  | { readonly kind: 'load' }
  /** Reads an agent: from its owner, or the copy that this peer holds. */
  | {
      readonly kind: 'read'
      readonly id: number
      readonly of: SetKind
      readonly key: string
      readonly stale: boolean
    }
  /** Whether the world outside took an effect. */
  | { readonly kind: 'effect-taken'; readonly id: number; readonly taken: boolean }
  /** Moves the wall clock of the process. */
  | { readonly kind: 'clock'; readonly skewMs: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'end' }
