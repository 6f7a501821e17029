import type { HomeSet, Voter } from './home-set.ts'

/** Counts answers of several home sets at once: each of them must give its majority. */
export class Tally {
  readonly sets: readonly HomeSet[]
  /** The members of all sets, each once. */
  readonly voters: readonly Voter[]
  readonly #yes: Voter[] = []
  readonly #no: Voter[] = []

  constructor(sets: readonly HomeSet[]) {
    this.sets = sets
    const voters: Voter[] = []
    for (const voter of sets.flatMap((set) => set.voters)) {
      if (!voters.some((other) => isSameVoter(other, voter))) {
        voters.push(voter)
      }
    }
    this.voters = voters
  }

  yes(voter: Voter): void {
    this.#yes.push(voter)
  }

  no(voter: Voter): void {
    this.#no.push(voter)
  }

  /** More than half of the weight of every set said yes. */
  get reached(): boolean {
    return this.sets.every((set) => 2 * weightOf(set, this.#yes) > set.total)
  }

  /** A set that can give no majority any more, whatever the silent ones say. */
  get lost(): HomeSet | undefined {
    return this.sets.find((set) => 2 * (set.total - weightOf(set, this.#no)) <= set.total)
  }

  /** Everybody said yes. */
  get unanimous(): boolean {
    return this.#yes.length === this.voters.length
  }
}

export function weightOf(set: HomeSet, voters: readonly Voter[]): number {
  let weight = 0
  for (const voter of set.voters) {
    if (voters.some((other) => isSameVoter(other, voter))) {
      weight += voter.weight
    }
  }
  return weight
}

/** Whether these members alone are a majority of the set. */
export function isMajorityOf(set: HomeSet, has: (voter: Voter) => boolean): boolean {
  const present = set.voters.reduce((sum, voter) => sum + (has(voter) ? voter.weight : 0), 0)
  return 2 * present > set.total
}

function isSameVoter(a: Voter, b: Voter): boolean {
  return a.peer === b.peer && a.incarnation === b.incarnation
}
