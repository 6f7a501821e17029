import type {
  Member,
  PlacementParameters,
  Random,
  Role,
  SelfIdentity
} from '@murmuration/interface'
import type { Detector } from './detector.ts'
import type { History, StoredHistory } from './history.ts'
import type { Candidate, Standing } from './messages.ts'
import type { Grants } from './grants.ts'
import type { Lease } from './lease.ts'
import type { Outbox } from './outbox.ts'
import type { Rules } from './rules.ts'
import type { Timers } from './timers.ts'

/** What a member's record says about it, beside who it is. */
export interface Profile {
  readonly addresses: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly weight: number
  readonly gradual?: boolean
}

/** What the state machine is told once. */
export interface MachineConfig {
  readonly self: SelfIdentity
  readonly cluster: string
  readonly placement: PlacementParameters
  /** Whether to make a cluster where the store knows none. */
  readonly found: boolean
  readonly random: Random
  /** May change while it runs; the record in the view then follows. */
  readonly profile: () => Profile
  /** Peers that may know the cluster: configured ones and connected ones. */
  readonly contacts: () => readonly string[]
  /** What a peer's certificate allows it; undefined where there are no certificates. */
  readonly rolesOf: ((peer: string) => readonly Role[]) | undefined
  /** The name of a peer's certificate, if it is known. */
  readonly serialOf: (peer: string) => string | undefined
  readonly rules: Rules
}

/** What the parts of the state machine share. */
export interface Context {
  readonly config: MachineConfig
  readonly self: SelfIdentity
  readonly rules: Rules
  readonly outbox: Outbox
  readonly timers: Timers
  readonly history: History
  readonly detector: Detector
  /** The lease of this peer. */
  readonly lease: Lease
  /** What this peer has granted to others. */
  readonly grants: Grants
  /** This peer's record in the newest view. */
  readonly member: Member | undefined
  /** It is the only member of its view. */
  readonly isAlone: boolean
  readonly isLeaving: boolean
  standing(): Standing
  candidate(): Candidate
  /** Looks at where the sender of a message stands, and follows or warns. */
  meet(from: string, standing: Standing, now: number): void
  /** Asks a peer for newer views. */
  pull(from: string): void
  /** Takes over decided views; false if they do not fit. */
  adopt(chain: StoredHistory, now: number): boolean
  /** Learns that everything below a view is superseded. */
  settle(number: number): void
  /** Something that might need a new view has changed. */
  consider(now: number): void
}
