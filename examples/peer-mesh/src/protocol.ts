import type { RunningAgent } from '@murmuration/agent'
import type { MergedAgent, Verdict } from '@murmuration/interface'
import type { z } from 'zod'
import type { host } from './agents.ts'

/** What a process of the mesh is started with, as JSON in its environment. */
export interface ChildInit {
  /** 1 for the first peer; 0 for the feeder. */
  readonly index: number
  readonly cluster: string
  readonly secret: string
  readonly listen: string
  /** What to tell others instead, where links are proxies that can be cut. */
  readonly announce?: string
  /** Where its connections come from, for the same reason. */
  readonly from?: string
  readonly bootstrap: readonly string[]
  readonly dataDir: string | undefined
  /** Whether peers observe the machine they run on. */
  readonly live: boolean
  /** What agents do on the smaller side of a split. */
  readonly onSplit: SplitStrategy
}

export type SplitStrategy = 'pause-minority' | 'continue-all'

export type HostSample = z.infer<(typeof host)['actions']['observe']['input']>

/** What a peer is doing, twice a second. */
export interface PeerStatus {
  readonly kind: 'status'
  readonly index: number
  readonly peer: string
  readonly view: number
  readonly members: readonly string[]
  readonly reachable: readonly string[]
  readonly standing: string
  /** What agents do here while the standing is so. */
  readonly verdict: Verdict
  readonly agents: readonly Pick<RunningAgent, 'id' | 'calls' | 'waiting'>[]
  readonly documents: number
  readonly signals: number
  readonly host: HostSample | undefined
  /** Milliseconds, of this peer's own calls to agents elsewhere. */
  readonly latency: { readonly p50: number; readonly p95: number }
  readonly rssBytes: number
}

/** What became of one agent; values as text. */
export interface MergeExample extends Pick<
  MergedAgent,
  'id' | 'updates' | 'elsewhere' | 'sides' | 'conflicts' | 'owner'
> {
  readonly diverged: readonly {
    readonly field: string
    readonly here: readonly string[]
    readonly there: readonly string[]
  }[]
}

export type FromPeer =
  | PeerStatus
  /** It can be dialled. */
  | {
      readonly kind: 'listening'
      readonly index: number
      readonly peer: string
      readonly addresses: readonly string[]
    }
  /** It is in the view. */
  | { readonly kind: 'ready'; readonly index: number }
  | {
      readonly kind: 'view'
      readonly index: number
      readonly view: number
      readonly members: readonly string[]
      readonly at: number
    }
  | {
      readonly kind: 'signal'
      readonly index: number
      readonly id: string
      readonly type: string
      readonly subject: string
    }
  /** What it did for its side of a split is with the owners of the whole cluster again. */
  | {
      readonly kind: 'merged'
      readonly index: number
      /** Milliseconds since 1970: from when to when its side went on by itself. */
      readonly began: number
      readonly ended: number
      readonly durationMs: number
      /** PeerIds of that side. */
      readonly members: readonly string[]
      /** Agents that it changed meanwhile; on both sides; with values that exclude each other. */
      readonly agents: number
      readonly both: number
      readonly conflicts: number
      /** The first of them. */
      readonly examples: readonly MergeExample[]
    }
  | { readonly kind: 'failed'; readonly index: number; readonly reason: string }

export type ToPeer = { readonly kind: 'drain' } | { readonly kind: 'end' }

/** Per-device result, decimals as JSON number texts. */
export interface DeviceResult {
  readonly count: number
  readonly sum: string
  readonly min: string
  readonly max: string
  readonly last: string
}

export type FromFeeder =
  | { readonly kind: 'ready'; readonly index: 0 }
  | {
      readonly kind: 'progress'
      readonly lines: number
      readonly applied: number
      readonly total: number | undefined
      readonly perSecond: number
      readonly p50: number
      readonly p95: number
    }
  | { readonly kind: 'bad-line'; readonly line: number; readonly reason: string }
  /** An agent of a killed peer answered again, from its new owner. */
  | { readonly kind: 'served'; readonly index: number; readonly at: number }
  | { readonly kind: 'result'; readonly result: FeedResult }
  | { readonly kind: 'failed'; readonly index: 0; readonly reason: string }

export interface FeedResult {
  readonly devices: readonly (readonly [id: string, result: DeviceResult])[]
  readonly updates: {
    readonly acknowledged: number
    readonly retried: number
    readonly rejected: number
  }
  readonly calls: {
    readonly count: number
    readonly p50: number
    readonly p95: number
    readonly p99: number
  }
  readonly badLines: readonly { readonly line: number; readonly reason: string }[]
  readonly errors: readonly string[]
}

export type ToFeeder =
  /** `path: '-'`: its own standard input. */
  | { readonly kind: 'start'; readonly path: string; readonly total: number | undefined }
  /** A peer was killed: see how long this agent of it is gone. */
  | { readonly kind: 'killed'; readonly index: number; readonly agent: string }
  /** Read no more, and tell what has been applied. */
  | { readonly kind: 'conclude' }
  | { readonly kind: 'end' }
