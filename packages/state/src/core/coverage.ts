import { isAbandoned } from '@murmuration/interface'
import type { AgentRecord, Member, View } from '@murmuration/interface'
import { collectNeeded, copiesNeeded, memberKey } from './homes.ts'
import type { Homes, MemberKey } from './homes.ts'
import type { Mutants } from './mutants.ts'

/** Rounds that are remembered. More let an idle owner answer longer without asking again. */
const roundsMax = 32

/** One collection: the views that may hold unique data, fixed when the round begins, and who answered. */
export interface Round {
  readonly number: number
  readonly view: View
  readonly settled: number
  readonly unsettled: readonly View[]
  readonly collected: Set<MemberKey>
  /** Documents of which a member's own copy is damaged: for these it does not count. */
  readonly damaged: Map<string, Set<MemberKey>>
}

export interface CoverageInit {
  /** PeerId of this peer. */
  readonly peer: string
  readonly homes: (view: View) => Homes
  readonly mutants?: Mutants
}

/**
 * Which documents this peer may serve: those of which it has merged enough copies of every home set
 * that may hold unique data (R − W + 1 each, or all that an operator has not given up), in a round of this view, or in one of an earlier view
 * since which it has been their owner without a break.
 */
export class Coverage {
  readonly #init: CoverageInit
  readonly #mutants: Mutants
  #views: View[] = []
  #rounds: Round[] = []
  #roundNumber = 0

  constructor(init: CoverageInit) {
    this.#init = init
    this.#mutants = init.mutants ?? {}
  }

  get round(): Round | undefined {
    return this.#rounds.at(-1)
  }

  get view(): View | undefined {
    return this.#views.at(-1)
  }

  /**
   * Adopts a view. `between` are the adopted views that may fill a gap since the former one. Returns
   * true where tenures of the former view may go on, false where everything is collected afresh.
   */
  adopt(view: View, between: readonly View[]): boolean {
    const former = this.view
    const isBranched = former?.branch?.id !== view.branch?.id
    if (
      former !== undefined &&
      view.number <= former.number &&
      view.cluster === former.cluster &&
      !isBranched
    ) {
      return true
    }
    // Into a branch, out of one and from one to the next, others may have owned what this peer did.
    const chain = former === undefined || isBranched ? undefined : chainOf(former, view, between)
    if (chain === undefined) {
      this.#views = [view]
      this.#rounds = []
      return false
    }
    this.#views.push(...chain)
    return true
  }

  /** Starts over with the unsettled views as they are known now. */
  begin(settled: number, unsettled: readonly View[]): Round | undefined {
    const view = this.view
    if (view === undefined) {
      return undefined
    }
    const former = this.round
    const round: Round = {
      number: ++this.#roundNumber,
      view,
      settled,
      unsettled: unsettled.length === 0 ? [view] : unsettled,
      collected: new Set(),
      damaged: new Map()
    }
    if (this.#mutants.mixSettled === true && former?.view.number === view.number) {
      former.collected.forEach((key) => round.collected.add(key))
    }
    this.#rounds.push(round)
    if (this.#rounds.length > roundsMax) {
      this.#rounds.shift()
      const oldest = this.#rounds[0]?.view.number ?? 0
      this.#views = this.#views.filter(({ number }) => number >= oldest)
    }
    return round
  }

  /**
   * Whether the round of the newest view was begun knowing exactly this: then its replies count. A
   * view often comes together with the word of which older ones are settled.
   */
  knows(settled: number, unsettled: readonly View[]): boolean {
    const { round, view } = this
    const views = unsettled.length === 0 ? [view] : unsettled
    return (
      round !== undefined &&
      round.view === view &&
      round.settled === settled &&
      round.unsettled.length === views.length &&
      round.unsettled.every((known, at) => known === views[at])
    )
  }

  /** Everyone who must be asked in a round, this peer's own disk included; or for some documents. */
  membersOf(round: Round, records?: readonly AgentRecord[]): Map<MemberKey, string> {
    const members = new Map<MemberKey, string>()
    for (const view of round.unsettled) {
      const homes = this.#init.homes(view)
      const asked = records?.flatMap((record) => homes.homeOf(record)) ?? view.members
      for (const member of asked) {
        if (!isAbandoned(round.view, member)) {
          members.set(memberKey(member), member.peer)
        }
      }
    }
    return members
  }

  /** Whether there was no round for so many views that their chain has become long. */
  get isLong(): boolean {
    const [first] = this.#rounds.slice(-1)
    const last = this.#views.at(-1)?.number ?? 0
    return first !== undefined && last - first.view.number >= roundsMax
  }

  /** A later answer of the same member stands in place of the one before. */
  collected(round: Round, member: MemberKey, damaged: readonly string[]): void {
    round.collected.add(member)
    for (const [id, keys] of round.damaged) {
      if (keys.delete(member) && keys.size === 0) round.damaged.delete(id)
    }
    for (const id of damaged) {
      const keys = round.damaged.get(id) ?? new Set()
      keys.add(member)
      round.damaged.set(id, keys)
    }
  }

  /** Whether this peer may serve the document under the newest view. */
  covers(record: AgentRecord): boolean {
    if (this.#mutants.serveWithoutMerge === true) {
      return this.#owns(record, this.view)
    }
    let at = this.#views.length - 1
    for (let index = this.#rounds.length - 1; index >= 0; index--) {
      const round = this.#rounds[index]
      while (round !== undefined && (this.#views[at]?.number ?? 0) > round.view.number) {
        if (!this.#owns(record, this.#views[at])) {
          return false
        }
        at--
      }
      if (round !== undefined && this.#collectedEnough(round, record)) {
        return this.#owns(record, round.view)
      }
    }
    return false
  }

  /**
   * Whether every member of the newest view has answered. Who is not in it may have more, and nobody
   * else has: what goes on without them starts from that, and says that it is partial.
   */
  coversPartly(record: AgentRecord): boolean {
    const { round, view } = this
    if (round === undefined || view === undefined || round.view !== view) return false
    return (
      this.#owns(record, view) &&
      view.members.every((member) => round.collected.has(memberKey(member)))
    )
  }

  /** In words, for an error message. */
  missing(record: AgentRecord): string {
    const round = this.round
    if (round === undefined) {
      return 'no view was adopted yet'
    }
    const missing: string[] = []
    for (const view of round.unsettled) {
      const home = this.#init.homes(view).homeOf(record)
      const count = home.filter((member) =>
        this.#counts(round, record.id, memberKey(member))
      ).length
      const needed = this.#needed(round, home)
      if (count < needed) {
        missing.push(`${count} of ${needed} needed in view ${view.number}`)
      }
    }
    return missing.length === 0 ? 'copies are being merged' : `copies merged: ${missing.join(', ')}`
  }

  /**
   * Whether enough members answered that any document whatever would be covered: then this peer
   * knows all documents that it owns. (Documents with one replica give that promise up.) Who has
   * something damaged may have lost what nobody names, and counts as one who did not answer.
   */
  complete(round: Round): boolean {
    const damaged = new Set([...round.damaged.values()].flatMap((keys) => [...keys]))
    return round.unsettled.every(({ branch, members }) => {
      const isAbsent = (key: MemberKey): boolean =>
        !round.collected.has(key) || (branch === undefined && damaged.has(key))
      const absent = members.filter((member) => isAbsent(memberKey(member)))
      const allowed = branch === undefined ? Math.max(0, copiesNeeded(members.length) - 1) : 0
      return absent.length <= allowed || absent.every((member) => isAbandoned(round.view, member))
    })
  }

  #owns(record: AgentRecord, view: View | undefined): boolean {
    return view !== undefined && this.#init.homes(view).ownerOf(record)?.peer === this.#init.peer
  }

  #collectedEnough(round: Round, record: AgentRecord): boolean {
    return round.unsettled.every((view) => {
      // A branch is accepted by all its members, and each may have the only copy on this side.
      if (view.branch !== undefined) {
        return view.members.every((member) => round.collected.has(memberKey(member)))
      }
      const home = this.#init.homes(view).homeOf(record)
      let count = 0
      for (const member of home) {
        if (this.#counts(round, record.id, memberKey(member))) {
          count++
        }
      }
      return count >= this.#needed(round, home)
    })
  }

  #needed({ view }: Round, home: readonly Member[]): number {
    const alive = home.filter((member) => !isAbandoned(view, member)).length
    return Math.min(collectNeeded(home.length), alive)
  }

  #counts(round: Round, id: string, member: MemberKey): boolean {
    return round.collected.has(member) && round.damaged.get(id)?.has(member) !== true
  }
}

/** The views after `former` up to `view`, or undefined where one is not known. */
function chainOf(former: View, view: View, between: readonly View[]): View[] | undefined {
  if (former.cluster !== view.cluster) {
    return undefined
  }
  const chain: View[] = []
  for (let number = former.number + 1; number < view.number; number++) {
    const found = between.find((other) => other.number === number)
    if (found === undefined) {
      return undefined
    }
    chain.push(found)
  }
  return [...chain, view]
}
