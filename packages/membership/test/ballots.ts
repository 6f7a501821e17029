import type { Random, View } from '@murmuration/interface'
import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { Acceptor } from '../src/core/acceptor.ts'
import { pack, unpack } from '../src/core/packing.ts'
import { Proposer } from '../src/core/proposer.ts'
import type { Step } from '../src/core/proposer.ts'
import type { Vote } from '../src/core/messages.ts'
import type { AcceptorState, Ballot, Decision } from '../src/core/records.ts'
import { isMajority } from '../src/core/quorum.ts'
import { standardRules } from '../src/core/rules.ts'
import type { Rules } from '../src/core/rules.ts'

const number = 2
const stepsMax = 160

type Phase = 'prepare' | 'accept'
type BareVote = Omit<Vote, 'standing'>

type Message =
  | {
      readonly type: 'request'
      readonly from: string
      readonly to: string
      readonly phase: Phase
      readonly ballot: Ballot
      readonly decision: Decision | undefined
    }
  | {
      readonly type: 'vote'
      readonly from: string
      readonly to: string
      readonly phase: Phase
      readonly ballot: Ballot
      readonly vote: BareVote
    }

interface Voter {
  readonly name: string
  /** Of its disk: a wiped one has a higher number, and is no acceptor of this view any more. */
  incarnation: number
  boot: number
  acceptor: Acceptor
  proposer: Proposer
  stored: AcceptorState | undefined
}

/**
 * One instance of agreement without anything around it: the acceptors and proposers of one view,
 * whose messages are lost, doubled and overtaken, and who restart with what they had stored, or as
 * somebody else with nothing. A run costs a fraction of a millisecond, so that a million of them look at the heart of the protocol.
 * At most one next view is ever decided; and one is, once nothing fails any more.
 */
export async function runBallots(
  simulation: Simulation,
  change: Partial<Rules> = {}
): Promise<void> {
  const ballots = new Ballots(simulation.random, { ...standardRules, ...change })
  ballots.trouble()
  ballots.calm()
}

class Ballots {
  readonly #random: Random
  readonly #rules: Rules
  readonly #view: View
  readonly #voters: readonly Voter[]
  readonly #loss: number
  readonly #duplication: number
  #messages: Message[] = []
  #now = 0
  #attempts = 0
  #decided: string | undefined

  constructor(random: Random, rules: Rules) {
    this.#random = random
    this.#rules = rules
    this.#loss = random.next() * 0.4
    this.#duplication = random.next() * 0.3
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, integerBetween(random, 2, 6))
    this.#view = {
      cluster: 'test',
      number: number - 1,
      members: names.map((peer) => ({
        peer,
        incarnation: '1',
        addresses: [],
        labels: {},
        weight: 100,
        since: 1
      })),
      tieBreaker: 'a',
      placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
    }
    this.#voters = names.map((name) => ({
      name,
      incarnation: 1,
      boot: 1,
      acceptor: new Acceptor(undefined),
      proposer: new Proposer(`${name}#1#1`, rules),
      stored: undefined
    }))
  }

  trouble(): void {
    for (let step = 0; step < stepsMax; step++) {
      const kind = this.#random.next()
      const voter = this.#voter()
      if (kind < 0.07) {
        this.#attempt(voter)
      } else if (kind < 0.11) {
        this.#restart(voter)
      } else {
        this.#deliver(this.#loss, this.#duplication)
      }
    }
  }

  calm(): void {
    this.#messages = []
    for (const voter of this.#voters.filter((one) => one.incarnation === 1)) {
      voter.proposer.fail(this.#now, 0)
      this.#attempt(voter)
      while (this.#messages.length > 0) {
        this.#deliver(0, 0)
      }
    }
    if (this.#decided === undefined) {
      throw new Error('nothing was decided though nothing failed')
    }
  }

  /** A voter proposes to go on without one of the others. */
  #attempt(voter: Voter): void {
    if (!this.#isActing(voter)) {
      return
    }
    if (voter.proposer.deadline !== undefined) {
      voter.proposer.fail(this.#now, 0)
    }
    this.#attempts++
    const { members } = this.#view
    const gone = members[this.#attempts % members.length]?.peer ?? 'a'
    const next = members.filter(({ peer }) => peer !== gone)
    const own: Decision = { view: { ...this.#view, number, members: next }, left: [gone] }
    const above = voter.acceptor.promised(number)
    const ballot = voter.proposer.begin(this.#view, own, [], above, this.#now)
    this.#ask(voter, { phase: 'prepare', ballot, decision: undefined })
  }

  #ask(
    { name }: Voter,
    asked: {
      readonly phase: Phase
      readonly ballot: Ballot
      readonly decision: Decision | undefined
    }
  ): void {
    for (const { name: to } of this.#voters) {
      this.#messages.push({ type: 'request', from: name, to, ...asked })
    }
  }

  #restart(voter: Voter): void {
    voter.boot++
    if (this.#random.next() < 0.3 && this.#mayLose(voter)) {
      voter.incarnation++
      voter.stored = undefined
    }
    const name = `${voter.name}#${voter.incarnation}#${voter.boot}`
    voter.acceptor = new Acceptor(voter.stored)
    voter.proposer = new Proposer(name, this.#rules)
  }

  /** A majority keeps its disks, or nothing could be decided. */
  #mayLose(voter: Voter): boolean {
    const left = this.#voters.filter((one) => one.incarnation === 1 && one !== voter)
    return isMajority(this.#view, new Set(left.map(({ name }) => name)))
  }

  #isActing({ name, incarnation }: Voter): boolean {
    const member = { peer: name, incarnation: '1' }
    return this.#rules.isSelf({ peer: name, incarnation: `${incarnation}` }, member)
  }

  /** One message, any of those under way. */
  #deliver(loss: number, duplication: number): void {
    this.#now++
    const at = Math.floor(this.#random.next() * this.#messages.length)
    const message = this.#messages[at]
    if (message === undefined) {
      return
    }
    if (this.#random.next() >= duplication) {
      const last = this.#messages.pop()
      if (last !== undefined && at < this.#messages.length) {
        this.#messages[at] = last
      }
    }
    if (this.#random.next() < loss) {
      return
    }
    const to = this.#named(message.to)
    if (message.type === 'request') {
      const vote = this.#vote(to, message)
      const { from, phase, ballot } = message
      this.#messages.push({ type: 'vote', from: to.name, to: from, phase, ballot, vote })
    } else {
      const { from, ballot, phase, vote } = message
      this.#follow(to, to.proposer.vote(from, ballot, phase, vote, this.#visible(to), 0))
    }
  }

  /** As `Voting` does: what is answered was stored before. */
  #vote(voter: Voter, { phase, ballot, decision }: Message & { type: 'request' }): BareVote {
    if (!this.#isActing(voter)) {
      return { status: 'elsewhere' }
    }
    const answer =
      phase === 'accept' && decision !== undefined
        ? voter.acceptor.accept(number, ballot, decision)
        : voter.acceptor.prepare(number, ballot)
    if (answer.status === 'conflict') {
      return { status: 'conflict', promised: answer.promised }
    }
    if (phase === 'accept' || this.#rules.promisesAreDurable) {
      voter.stored = answer.state
    }
    const { accepted } = answer.state
    return phase === 'prepare' && accepted !== undefined
      ? {
          status: 'yes',
          accepted: { ballot: accepted.ballot, decision: pack(this.#view, accepted.decision) }
        }
      : { status: 'yes' }
  }

  #follow(voter: Voter, step: Step): void {
    if (step.type === 'failed') {
      voter.proposer.fail(this.#now, 0)
    } else if (step.type === 'accept') {
      // Over the wire and back, as far as it can be.
      const decision = unpack(this.#view, pack(this.#view, step.decision))
      this.#ask(voter, { phase: 'accept', ballot: step.ballot, decision })
    } else if (step.type === 'decided') {
      const { view, left } = step.decision
      const text = `${view.members.map(({ peer }) => peer).join('')} without ${left.join('')}`
      this.#decided ??= text
      if (this.#decided !== text) {
        throw new Error(`two views ${number}: ${this.#decided}, and ${text}`)
      }
    }
  }

  /** Who a voter believes to be reachable: it must not matter. */
  #visible({ name }: Voter): ReadonlySet<string> {
    const side = Math.floor(this.#now / 40) % 2
    const half = this.#voters.filter((_, at) => at % 2 === side).map((one) => one.name)
    return new Set([name, ...half])
  }

  #voter(): Voter {
    return pick(this.#random, this.#voters) ?? this.#named('a')
  }

  #named(name: string): Voter {
    const voter = this.#voters.find((one) => one.name === name)
    if (voter === undefined) {
      throw new Error(`there is no voter ${name}`)
    }
    return voter
  }
}
