import { Attempts, isConflict, neverAccepts } from './attempts.ts'
import type { Attempt } from './attempts.ts'
import { successorOf } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Chain } from './chain.ts'
import { chooseAccepted, findAgreed } from './choice.ts'
import type { Promised } from './choice.ts'
import type { Group, Voter } from './home-set.ts'
import { lineageOn } from './lineage.ts'
import type { Operation, Trial } from './operation.ts'
import type { ProposerContext } from './proposer.ts'
import { groupOf } from './register-name.ts'
import type { RegisterName } from './register-name.ts'
import type { Accepted, Answer, Request } from './requests.ts'
import { Tally } from './tally.ts'

/** Lost accepts of one register at a time; then their end is unknown. Each keeps a value in memory. */
const attemptsMax = 8

/** One exchange with the acceptors. Answers to a round that is over change nothing. */
interface Round {
  readonly phase: 'peek' | 'prepare' | 'accept'
  readonly chain: Chain
  readonly readers?: readonly Operation[]
}

/**
 * Proposes changes of one register, one round at a time (so a peer never competes with itself).
 * Changes that wait share a round: each runs on the value that the one before it gave.
 *
 * CASPaxos (Rystsov 2018) with views in the ballots: phase 1 asks majorities of all home sets that
 * may hold something, phase 2 goes to the newest one only.
 */
export class RegisterProposer {
  readonly #name: RegisterName
  readonly #group: Group
  readonly #context: ProposerContext
  #waiting: Operation[] = []
  #round: Round | undefined
  #cancelPause: (() => void) | undefined
  /** A majority of this view has promised this ballot, which nobody has used, on this value. */
  #promise: { readonly ballot: Ballot; readonly base: Accepted } | undefined
  readonly #attempts = new Attempts()
  /** In this view this proposer has had a value chosen, so what is older counts no more. */
  #committedIn = 0
  #failures = 0
  /** When the present round, or the one before it that it rests on, was begun. */
  #begunAt = 0
  /** The last peek found no agreement: only a ballot can tell. */
  #isUnsure = false

  constructor(name: RegisterName, context: ProposerContext) {
    this.#name = name
    this.#group = groupOf(name)
    this.#context = context
  }

  get isIdle(): boolean {
    return (
      this.#round === undefined &&
      this.#cancelPause === undefined &&
      this.#attempts.isEmpty &&
      this.#waiting.length === 0
    )
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  propose(operation: Operation): void {
    operation.reason = this.#context.chain === undefined ? 'no-view' : 'no-quorum'
    this.#waiting.push(operation)
    this.#next()
  }

  /** The views have changed: promises of older ones are void, unsent rounds start again. */
  adopt(): void {
    const { chain, mutants } = this.#context
    if (this.#promise?.ballot.view !== chain?.number && mutants.cacheOverViews !== true) {
      this.#promise = undefined
    }
    if (this.#round !== undefined && this.#round.chain.number === chain?.number) {
      return
    }
    if (this.#round?.phase === 'accept') {
      // It may still be chosen in its view; whoever acts in the new one will meet it.
      return
    }
    this.#putBack(this.#round?.readers ?? [])
    this.#round = undefined
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.#next()
  }

  #putBack(operations: readonly Operation[]): void {
    this.#waiting.unshift(...operations)
  }

  #next(): void {
    const { chain, mutants, settings } = this.#context
    if (this.#round !== undefined || this.#cancelPause !== undefined || chain === undefined) {
      return
    }
    this.#waiting = this.#waiting.filter((operation) => !operation.isOver)
    this.#dropAttempts(chain)
    if (this.#attempts.isEmpty && this.#waiting.length === 0) {
      return
    }
    this.#begunAt = this.#context.ports.now()
    const promise = this.#promise
    const isReading = !this.#isUnsure && this.#waiting.every((operation) => operation.isRead)
    if (this.#attempts.isEmpty && isReading) {
      this.#peek(chain, this.#waiting.splice(0, settings.batchMax))
    } else if (promise !== undefined && this.#attempts.isEmpty) {
      this.#promise = undefined
      const isOld = mutants.cacheOverViews === true && promise.ballot.view !== chain.number
      const ballot = isOld ? this.#context.freshBallot(chain.number) : promise.ballot
      this.#context.ports.count('fastRounds')
      this.#commit(chain, ballot, promise.base, [])
    } else {
      this.#prepare(chain)
    }
  }

  /** Nothing can be learned of a lost accept once the view has changed, and nobody may ask for it. */
  #dropAttempts(chain: Chain): void {
    const attempts = this.#attempts
    const isOld = attempts.view !== undefined && attempts.view !== chain.number
    if (isOld || attempts.count >= attemptsMax || attempts.operations().length === 0) {
      this.#putBack(attempts.giveUp())
    }
  }

  #since(chain: Chain): number {
    const known = Math.max(chain.settled, this.#committedIn, this.#context.settledHeard)
    // The newest set is always asked.
    return Math.min(known, chain.number)
  }

  #peek(chain: Chain, readers: readonly Operation[]): void {
    const round: Round = { phase: 'peek', chain, readers }
    this.#round = round
    const tally = new Tally(chain.homesSince(chain.number, this.#group))
    const seen: Promised[] = []
    const { ports } = this.#context
    ports.count('peeks')
    this.#ask(round, tally, { type: 'peek', name: this.#name }, (voter, answer) => {
      if (answer.type !== 'reply' || answer.reply.type !== 'held') {
        tally.no(voter)
      } else {
        tally.yes(voter)
        seen.push({ voter, accepted: answer.reply.accepted })
      }
      if (tally.reached) {
        this.#round = undefined
        this.#concludePeek(chain, readers, seen)
      } else if (tally.lost !== undefined) {
        this.#round = undefined
        this.#putBack(readers)
        this.#pause('no-quorum')
      }
    })
  }

  #concludePeek(chain: Chain, readers: readonly Operation[], seen: readonly Promised[]): void {
    const found = findAgreed(seen, this.#group, this.#since(chain), chain, this.#context.mutants)
    if (found === undefined) {
      this.#putBack(readers)
      this.#isUnsure = true
    } else {
      const value = found.accepted?.value
      for (const operation of readers) {
        operation.succeed(operation.attempt(value, Infinity), chain.number)
      }
    }
    this.#next()
  }

  #prepare(chain: Chain): void {
    const { mutants, ports } = this.#context
    const round: Round = { phase: 'prepare', chain }
    this.#round = round
    const since = this.#since(chain)
    const ballot = this.#context.freshBallot(mutants.naiveSwitch === true ? 1 : chain.number)
    const tally = new Tally(this.#setsToAsk(chain, since))
    const promises: Promised[] = []
    let known = since
    let isContended = false
    ports.count('rounds')
    this.#ask(round, tally, { type: 'prepare', name: this.#name, ballot }, (voter, answer) => {
      if (answer.type === 'reply' && answer.reply.type === 'promised') {
        tally.yes(voter, answer.reply.lostIn)
        promises.push({ voter, accepted: answer.reply.accepted })
        // Acceptors may have erased what they know to be settled elsewhere.
        known = Math.max(known, answer.settled)
      } else {
        tally.no(voter)
        isContended ||= isConflict(answer)
      }
      const { lost } = tally
      if (tally.reached) {
        this.#round = undefined
        const best = chooseAccepted(promises, this.#group, known, chain, mutants)
        this.#resolve(chain, ballot, best)
      } else if (lost !== undefined) {
        this.#round = undefined
        const isOld = lost !== tally.sets.at(-1)
        this.#pause(isContended ? 'contended' : isOld ? 'unsettled-lost' : 'no-quorum')
      }
    })
  }

  #setsToAsk(chain: Chain, since: number) {
    const { mutants } = this.#context
    if (mutants.naiveSwitch === true || mutants.newestSetOnly === true) {
      return chain.homesSince(chain.number, this.#group)
    }
    const from = mutants.previousViewOnly === true ? Math.max(since, chain.number - 1) : since
    return chain.homesSince(from, this.#group)
  }

  /** A majority has promised. First the fate of accepts that were lost on the way, in this very view. */
  #resolve(chain: Chain, ballot: Ballot, best: Accepted | undefined): void {
    const attempts = this.#attempts
    if (attempts.isEmpty) {
      this.#commit(chain, ballot, best, [])
      return
    }
    this.#context.ports.count('resolved')
    const fate = attempts.fate(best, this.#context.mutants)
    if (fate === 'untold') {
      this.#putBack(attempts.giveUp())
    }
    // What the present value contains is done as soon as what is built on it is chosen.
    this.#commit(chain, ballot, best, typeof fate === 'object' ? fate.included.trials : [])
  }

  /** Runs what waits on the present value and has the result agreed, also where it is the same (P6). */
  #commit(
    chain: Chain,
    ballot: Ballot,
    base: Accepted | undefined,
    included: readonly Trial[]
  ): void {
    const { mutants, settings } = this.#context
    const isIncluded = new Set(included.map(({ operation }) => operation))
    const waiting = this.#waiting.filter((operation) => !operation.isOver)
    const batch = [...this.#attempts.operations(), ...waiting]
      .filter((operation) => !isIncluded.has(operation))
      .slice(0, settings.batchMax)
    this.#waiting = waiting.filter((operation) => !batch.includes(operation))
    if (batch.length === 0 && included.length === 0) {
      return
    }
    const current = base?.value
    const trials: Trial[] = []
    let value = current
    for (const operation of batch) {
      const trial = operation.attempt(value, settings.valueBytesMax)
      trials.push(trial)
      value = trial.next
    }
    const isMiss = value === current && mutants.missWithoutCommit === true
    const isRead = mutants.readWithoutCommit === true && batch.every((one) => one.isRead)
    if (isMiss || isRead) {
      trials.forEach((trial) => trial.operation.succeed(trial, chain.number))
      this.#next()
      return
    }
    this.#accept(chain, {
      view: chain.number,
      ballot,
      value,
      lineage: lineageOn(base, ballot.view),
      trials: [...included, ...trials]
    })
  }

  #accept(chain: Chain, attempt: Attempt): void {
    const { mutants, ports } = this.#context
    const { ballot, lineage, trials, value } = attempt
    const round: Round = { phase: 'accept', chain }
    this.#round = round
    const tally = new Tally(chain.homesSince(chain.number, this.#group))
    let refusals = 0
    let isContended = false
    trials.forEach(({ isChange, operation }) => {
      operation.isSent ||= isChange
    })
    ports.count('rounds')
    const request = { type: 'accept', name: this.#name, ballot, value, lineage } as const
    const answered = (voter: Voter, answer: Answer): void => {
      if (answer.type === 'reply' && answer.reply.type === 'accepted') {
        tally.yes(voter)
      } else {
        tally.no(voter)
        isContended ||= isConflict(answer)
        refusals += neverAccepts(answer, ballot) ? 1 : 0
      }
      if (this.#round === round && tally.reached) {
        this.#round = undefined
        this.#succeed(chain, attempt, isContended)
        this.#next()
      } else if (this.#round === round && tally.lost !== undefined) {
        this.#round = undefined
        this.#fail(attempt, refusals === tally.voters.length, isContended)
      }
      this.#sealIfAll(chain, tally, attempt)
    }
    this.#ask(round, tally, request, answered, { late: value === undefined })
    if (mutants.cacheAfterFailure === true) {
      this.#promise = { ballot, base: attempt }
    }
  }

  #succeed(chain: Chain, attempt: Attempt, isContended: boolean): void {
    const next = successorOf(attempt.ballot)
    this.#failures = 0
    this.#isUnsure = false
    this.#committedIn = Math.max(this.#committedIn, chain.number)
    if (!isContended && this.#context.chain?.number === chain.number) {
      // A majority accepted, and with it promised the next ballot to this proposer, once (P7).
      this.#promise = { ballot: next, base: attempt }
      this.#context.seen(next)
    }
    this.#putBack(this.#attempts.replace(attempt))
    attempt.trials.forEach((trial) => trial.operation.succeed(trial, chain.number))
  }

  /** The accept got no majority. It has no effect only if no acceptor took it or ever will. */
  #fail(attempt: Attempt, isRefused: boolean, isContended: boolean): void {
    const { mutants } = this.#context
    const operations = attempt.trials.map(({ operation }) => operation)
    const isOver =
      mutants.retryUnknown === true ||
      (mutants.refusalIsFinal === true && isContended) ||
      (isRefused && this.#attempts.isEmpty)
    if (isOver) {
      operations.forEach((operation) => {
        operation.isSent = false
      })
      this.#putBack(operations)
    } else if (mutants.cacheAfterFailure === true) {
      operations.forEach((operation) => operation.giveUp())
      this.#promise = isContended ? undefined : this.#promise
    } else {
      this.#attempts.add(attempt)
    }
    this.#pause(isContended ? 'contended' : 'no-quorum')
  }

  /** All members hold the deletion: they may erase it in a later view. */
  #sealIfAll(chain: Chain, tally: Tally, { ballot, value }: Attempt): void {
    if (value === undefined && tally.unanimous) {
      for (const voter of tally.voters) {
        const request = { type: 'seal', name: this.#name, ballot } as const
        // Best effort: unsealed, the deletion stays for longer.
        this.#context.ports.send(voter, chain.number, request, () => {})
      }
    }
  }

  #ask(
    round: Round,
    tally: Tally,
    request: Request,
    answered: (voter: Voter, answer: Answer) => void,
    { late = false } = {}
  ): void {
    for (const voter of tally.voters) {
      this.#context.ports.send(voter, round.chain.number, request, (answer) => {
        this.#context.hear(answer, voter)
        if (this.#round === round || late) {
          answered(voter, answer)
        }
      })
    }
  }

  /** Waits for a random time, longer with each failure, so that competing proposers let one pass. */
  #pause(reason: Operation['reason']): void {
    const { ports, settings } = this.#context
    const { first, longest, rounds } = settings.backOffMs
    const roundMs = reason === 'contended' && rounds > 0 ? ports.now() - this.#begunAt : 0
    for (const operation of this.#waiting) {
      operation.reason = reason
    }
    const ceiling = Math.max(longest, rounds * roundMs)
    const limit = Math.min(ceiling, Math.max(first, roundMs) * 2 ** Math.min(this.#failures, 16))
    this.#failures++
    this.#cancelPause = ports.schedule(ports.random() * limit, () => {
      this.#cancelPause = undefined
      this.#next()
    })
  }
}
