import { isAbandoned } from '@murmuration/interface'
import type { Member, View } from '@murmuration/interface'
import type { Mutants } from './mutants.ts'

/** One member of a home set: it speaks for one life of its disk only (rule 6). */
export interface Voter {
  readonly peer: string
  readonly incarnation: string
  readonly weight: number
}

/** The replicas of a group of registers in one view, ordered by peer. */
export interface HomeSet {
  readonly voters: readonly Voter[]
  readonly total: number
  /** Weight of those who must answer: more than half, or all where a majority was given up. */
  readonly needed: number
}

/** Registers that always live together: `slot/replicas`. */
export type Group = string

/** The home set of a group in a view. Pure; the real one comes from the placement. */
export type Homes = (view: View, group: Group) => HomeSet

/**
 * Weighs the replicas. In a set of even size the tie-breaker of the view weighs 2, or, where it is
 * not one of them, the member that has been in the cluster for longest; never one that joins with
 * this view (rule 5).
 */
export function homeSetOf(view: View, replicas: readonly Member[]): HomeSet {
  const heavy = replicas.length % 2 === 0 ? tieBreakerOf(view, replicas) : undefined
  const voters = replicas
    .map(({ peer, incarnation }) => ({ peer, incarnation, weight: peer === heavy ? 2 : 1 }))
    .toSorted((a, b) => (a.peer < b.peer ? -1 : 1))
  const total = weightOf(voters)
  return { voters, total, needed: Math.floor(total / 2) + 1 }
}

/**
 * Who still answers for an older home set, by the newest view. Where an operator has given up so many
 * disks that no majority is left, all others have to answer: any of them may be the only one that has
 * what was agreed.
 */
export function survivorsOf(set: HomeSet, newest: View, mutants: Mutants): HomeSet {
  const voters = set.voters.filter((voter) => !isAbandoned(newest, voter))
  const total = weightOf(voters)
  if (total >= set.needed) {
    return set
  }
  const needed = mutants.oneSurvivorSuffices === true ? Math.min(1, total) : total
  return mutants.askNoSurvivor === true
    ? { voters: [], total: 0, needed: 0 }
    : { voters, total, needed }
}

function weightOf(voters: readonly Voter[]): number {
  return voters.reduce((sum, { weight }) => sum + weight, 0)
}

function tieBreakerOf(view: View, replicas: readonly Member[]): string | undefined {
  if (replicas.some(({ peer }) => peer === view.tieBreaker)) {
    return view.tieBreaker
  }
  const [oldest] = replicas
    .filter(({ since }) => since < view.number)
    .toSorted((a, b) => a.since - b.since || (a.peer < b.peer ? -1 : 1))
  return oldest?.peer
}

export function isVoter(
  set: HomeSet,
  { peer, incarnation }: { readonly peer: string; readonly incarnation: string }
): boolean {
  return set.voters.some((voter) => voter.peer === peer && voter.incarnation === incarnation)
}

export function isSameSet(a: HomeSet, b: HomeSet): boolean {
  return (
    a === b ||
    (a.needed === b.needed &&
      a.voters.length === b.voters.length &&
      a.voters.every((voter, index) => {
        const other = b.voters[index]
        return (
          voter.peer === other?.peer &&
          voter.incarnation === other.incarnation &&
          voter.weight === other.weight
        )
      }))
  )
}
