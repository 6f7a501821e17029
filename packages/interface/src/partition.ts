import type { TypedEventTarget } from 'main-event'
import type { Epoch, PartitionPolicy } from './agent-record.ts'
import type { Service } from './runtime.ts'
import type { View } from './view.ts'

/**
 * How this peer stands in a split: `whole` (all members reachable), `majority` (it can take part in
 * deciding the next view), `minority` (it cannot).
 */
export type PartitionStatus = 'whole' | 'majority' | 'minority'

/**
 * What the links between members look like, by the reports of all that can be heard.
 *
 * - `whole`: nobody misses anybody.
 * - `suspected`: some are not heard, which may pass.
 * - `one-way`: a link works in one direction only.
 * - `indirect`: two members of this side miss each other, and others reach both.
 * - `split`: nobody on this side reaches the other members.
 */
export type PartitionKind = 'whole' | 'suspected' | 'one-way' | 'indirect' | 'split'

export type Verdict = 'run' | 'pause'

/** All that a strategy may look at: the last agreed view, and who reaches whom. */
export interface SplitSituation {
  readonly self: string
  /** Its members count, those that are leaving too; who is joining is not in it yet. */
  readonly view: View
  /** Members that this peer reaches by itself, itself included. */
  readonly direct: ReadonlySet<string>
  /** Members that all reach each other, this peer included unless it is one of `indirect`. */
  readonly side: ReadonlySet<string>
  /** Members of this side that miss others of it, and are left out of it so that the rest is whole. */
  readonly indirect: ReadonlySet<string>
  /** Members that nobody on this side reaches. */
  readonly others: ReadonlySet<string>
  /** Members that are about to leave, as far as known. */
  readonly leaving: ReadonlySet<string>
  /** Peers that ask to be let in, as far as known. */
  readonly joining: ReadonlySet<string>
  /** The links have not come to rest for so long that the sides may see different things. */
  readonly isUnstable: boolean
}

/** What a strategy makes of a situation. */
export interface SplitDecision {
  readonly verdict: Verdict
  /** One sentence for people. */
  readonly reason: string
  /** The member that acts for this side, where the strategy elects one. */
  readonly steward?: string
}

/** A strategy: a pure function of the situation, the same on all peers. */
export interface PartitionStrategy {
  readonly name: string
  /**
   * True: judged at every change, for strategies that are safe at any moment. Otherwise judged only
   * when the links have been at rest for a while. @default false
   */
  readonly isImmediate?: boolean
  decide(situation: SplitSituation): SplitDecision
}

/** Where one side of a split would stand. */
export interface SimulatedSide {
  readonly members: readonly string[]
  readonly decision: SplitDecision
}

/** What a split was, once it is over. */
export interface HealReport {
  /** Milliseconds since 1970. */
  readonly began: number
  readonly ended: number
  /** The worst standing of this peer meanwhile. */
  readonly status: PartitionStatus
  readonly kind: PartitionKind
  /** All members that were missed at any time. */
  readonly missed: readonly string[]
  /** Views at the beginning and at the end. */
  readonly views: readonly [before: number, after: number]
}

export interface PartitionEvents {
  status: CustomEvent<{
    readonly previous: PartitionStatus
    readonly status: PartitionStatus
    readonly unreachable: readonly string[]
  }>
  /** Views agree and every member is reached again. */
  healed: CustomEvent<HealReport>
  /** This side goes on by itself, or does not any more; results say so in their epoch. */
  branch: CustomEvent<{
    readonly status: 'begun' | 'ended'
    readonly branch: string
    readonly members: readonly string[]
  }>
  /** What this peer did for its side of a split is merged. */
  merged: CustomEvent<MergeReport>
}

/** What became of what one peer owned on its side of a split, once the sides have met again. */
export interface MergeReport {
  readonly branch: string
  /** Members of that side. */
  readonly members: readonly string[]
  /** Milliseconds since 1970: from when to when the side went on by itself. */
  readonly began: number
  readonly ended: number
  readonly agents: readonly MergedAgent[]
}

export interface MergedAgent {
  readonly id: string
  /** Updates that were made on this side by itself. */
  readonly updates: number
  /** Updates that are in it now and were not known on this side: of other sides, or since the heal. */
  readonly elsewhere: number
  /** `both`: what stands is merged of several sides. `this`: nobody else had changed it. */
  readonly sides: 'this' | 'both'
  /** Fields in which values of several sides exclude each other, and who reads them has to choose. */
  readonly conflicts: readonly string[]
  /** The first of these fields, with the values of each side. */
  readonly diverged: readonly DivergedField[]
  /** Who owns it now, as PeerId text. */
  readonly owner: string | undefined
  /** Undefined where it could not be read in time: its copies are handed over all the same. */
  readonly epoch: Epoch | undefined
}

/** A field that sides of a split have set to different values. */
export interface DivergedField {
  /** Its dotted path. */
  readonly field: string
  /** What this side set it to. */
  readonly here: readonly unknown[]
  /** What others did. */
  readonly there: readonly unknown[]
}

/** When to stop and when to go on. */
export interface Partition extends TypedEventTarget<PartitionEvents>, Service {
  readonly status: PartitionStatus
  readonly kind: PartitionKind
  /** Why: one sentence for each thing that is wrong. Empty while all is whole. */
  readonly reasons: readonly string[]
  /** What agents of this policy do now; without one, of the default of this peer. */
  verdict(policy?: PartitionPolicy): Verdict
  /** The same with the reason. */
  decide(policy?: PartitionPolicy): SplitDecision
  /** What a policy would do on each side of a split of the present view, before it happens. */
  simulate(policy: PartitionPolicy, sides: readonly (readonly string[])[]): readonly SimulatedSide[]
}
