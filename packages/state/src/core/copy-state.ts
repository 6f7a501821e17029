import type { Stamp } from '@murmuration/crdt'
import type { AgentRecord, Epoch, Operation } from '@murmuration/interface'
import type { BaseState } from './base.ts'
import type { Digest } from './digest.ts'
import type { Entry, EntryKey } from './entry.ts'
import type { Since } from './sessions.ts'

/** A session whose keys below `to` are folded into the base, in one step from `from`. */
export interface FoldStep {
  readonly session: string
  readonly from: number
  readonly to: number
  /** Of the entries that the step folds, and the lineage of the base: who differs must not follow it. */
  readonly digest: Digest
  /** The tenure that folds. */
  readonly by: Epoch
}

/** What changed since the copy was last saved. */
export interface Changes {
  readonly base: boolean
  readonly entries: readonly Entry[]
  readonly removed: readonly EntryKey[]
}

/** What is left of a session below which all is folded, and when it was opened unless that was ever. */
export type Floor = readonly [session: string, floor: number, since?: Since]

/** The parts of a copy, as they travel and are stored. */
export interface CopyState extends BaseState {
  readonly record: AgentRecord
  readonly floors: readonly Floor[]
  readonly entries: readonly Entry[]
  /** The latest clock reading in it: what comes next must be later. */
  readonly time: Stamp
}

export interface Execution {
  readonly operations: readonly Operation[]
  readonly writer: string
  /** Of the hybrid logical clock. */
  readonly time: Stamp
  readonly epoch: Epoch
  /** Undefined: the update has no key, and counts under one of the owner's own. */
  readonly key: { readonly session: string; readonly sequence: number } | undefined
  readonly result: Uint8Array
  readonly deltaBytesMax: number
}

/** Sessions of this form belong to owners and hold their updates without a key. */
export const ownSessionPrefix = '~'

/** The later of two clock readings. */
export function laterOf(a: Stamp, b: Stamp): Stamp {
  return b.time > a.time || (b.time === a.time && b.tick > a.tick) ? b : a
}
