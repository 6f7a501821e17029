import type { HomeSet, Voter } from './home-set.ts'

/** A home set of the views from `from` on. */
export interface AskedSet extends HomeSet {
  readonly from: number
}

/** Counts answers of several home sets at once: each of them must give its majority. */
export class Tally {
  readonly sets: readonly AskedSet[]
  /** The members of all sets, each once. */
  readonly voters: readonly Voter[]
  /** Weight that said yes and no, by set. */
  readonly #yes: number[]
  readonly #no: number[]
  #agreeing = 0

  constructor(sets: readonly AskedSet[]) {
    this.sets = sets
    this.#yes = sets.map(() => 0)
    this.#no = sets.map(() => 0)
    const [first, ...others] = sets
    const voters: Voter[] = [...(first?.voters ?? [])]
    for (const voter of others.flatMap((set) => set.voters)) {
      if (!voters.some((other) => isSameVoter(other, voter))) {
        voters.push(voter)
      }
    }
    this.voters = voters
  }

  /** One that has lost what it knew up to a view speaks only for the sets of later ones. */
  yes(voter: Voter, lostIn = 0): void {
    this.#agreeing++
    this.#count(voter, (set) => set.from > lostIn)
  }

  no(voter: Voter): void {
    this.#count(voter, () => false)
  }

  /** Enough of the weight of every set said yes. */
  get reached(): boolean {
    return this.sets.every((set, index) => (this.#yes[index] ?? 0) >= set.needed)
  }

  /** A set that can give no majority any more, whatever the silent ones say. */
  get lost(): HomeSet | undefined {
    return this.sets.find((set, index) => set.total - (this.#no[index] ?? 0) < set.needed)
  }

  /** Everybody said yes. */
  get unanimous(): boolean {
    return this.#agreeing === this.voters.length
  }

  #count(voter: Voter, isYes: (set: AskedSet) => boolean): void {
    for (const [index, set] of this.sets.entries()) {
      const weight = set.voters.find((other) => isSameVoter(other, voter))?.weight ?? 0
      const counts = isYes(set) ? this.#yes : this.#no
      counts[index] = (counts[index] ?? 0) + weight
    }
  }
}

/** Whether these members alone are a majority of the set. */
export function isMajorityOf(set: HomeSet, has: (voter: Voter) => boolean): boolean {
  const present = set.voters.reduce((sum, voter) => sum + (has(voter) ? voter.weight : 0), 0)
  return present >= set.needed
}

function isSameVoter(a: Voter, b: Voter): boolean {
  return a.peer === b.peer && a.incarnation === b.incarnation
}
