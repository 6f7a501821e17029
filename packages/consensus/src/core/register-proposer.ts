import { Attempts, markSent, unsent } from './attempts.ts'
import type { Attempt } from './attempts.ts'
import { BackOff } from './back-off.ts'
import { successorOf } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import { setsToAsk } from './chain.ts'
import type { Chain } from './chain.ts'
import { chooseAccepted, findAgreed } from './choice.ts'
import type { Group } from './home-set.ts'
import { lineageOn } from './lineage.ts'
import { runAll } from './operation.ts'
import type { Operation, Trial } from './operation.ts'
import type { ProposerContext } from './proposer.ts'
import { groupOf } from './register-name.ts'
import type { RegisterName } from './register-name.ts'
import type { Accepted, Request } from './requests.ts'
import { AcceptRound, FirstRound, PeekRound, PrepareRound } from './rounds.ts'
import type { Round } from './rounds.ts'

/** Lost accepts of one register at a time; then their end is unknown. Each keeps a value in memory. */
const attemptsMax = 8

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
  readonly #backOff: BackOff
  /** The last peek found no agreement: only a ballot can tell. */
  #isUnsure = false

  constructor(name: RegisterName, context: ProposerContext) {
    this.#name = name
    this.#group = groupOf(name)
    this.#context = context
    this.#backOff = new BackOff(context)
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
    if (this.#round instanceof AcceptRound || this.#round instanceof FirstRound) {
      // It may still be chosen in its view; whoever acts in the new one will meet it.
      return
    }
    this.#putBack(this.#round instanceof PeekRound ? this.#round.readers : [])
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
    this.#backOff.begin()
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
    } else if (!this.#first(chain)) {
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
    const round = new PeekRound(chain, chain.homesSince(chain.number, this.#group), readers)
    this.#context.ports.count('peeks')
    this.#ask(round, { type: 'peek', name: this.#name }, () => {
      if (round.tally.reached) {
        this.#round = undefined
        this.#concludePeek(round)
      } else if (round.tally.lost !== undefined) {
        this.#round = undefined
        this.#putBack(readers)
        this.#pause('no-quorum')
      }
    })
  }

  #concludePeek({ chain, readers, seen }: PeekRound): void {
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
    const known = this.#since(chain)
    const ballot = this.#context.freshBallot(mutants.naiveSwitch === true ? 1 : chain.number)
    const round = new PrepareRound(chain, setsToAsk(chain, this.#group, known, mutants), {
      ballot,
      known
    })
    ports.count('rounds')
    this.#ask(round, { type: 'prepare', name: this.#name, ballot }, () => {
      const { lost, reached, sets } = round.tally
      if (reached) {
        this.#round = undefined
        this.#resolve(round, ballot)
      } else if (lost !== undefined) {
        this.#round = undefined
        const isOld = lost !== sets.at(-1)
        this.#pause(round.isContended ? 'contended' : isOld ? 'unsettled-lost' : 'no-quorum')
      }
    })
  }

  /**
   * Proposes the first value at once, where that is the guess of a caller and no older home set can hold
   * anything. False where a prepare must come first.
   */
  #first(chain: Chain): boolean {
    const { mutants, ports, settings } = this.#context
    const since = mutants.firstOverViews === true ? chain.number : this.#since(chain)
    const sets = chain.homesSince(since, this.#group)
    const isGuess = this.#attempts.isEmpty && this.#waiting.some((operation) => operation.isNew)
    if (!isGuess || sets.length > 1) {
      return false
    }
    const batch = this.#waiting.slice(0, settings.batchMax)
    batch.forEach((operation) => {
      operation.isNew = false
    })
    const { trials, value } = runAll(batch, undefined, settings.valueBytesMax)
    if (value === undefined) {
      return false
    }
    this.#waiting.splice(0, batch.length)
    const ballot = this.#context.freshBallot(chain.number)
    this.#context.seen(successorOf(ballot))
    const attempt: Attempt = { view: chain.number, ballot, value, lineage: [], trials }
    markSent(attempt)
    const round = new FirstRound(chain, sets, attempt, since)
    let cancel: (() => void) | undefined
    const conclude = (): void => {
      cancel?.()
      if (this.#round === round) {
        this.#round = undefined
        this.#concludeFirst(round)
      }
    }
    ports.count('rounds')
    this.#ask(round, { type: 'first', name: this.#name, ballot, value, lineage: [] }, () => {
      if (round.isDecided) {
        conclude()
      } else if (round.tally.reached) {
        cancel ??= ports.schedule(settings.firstWaitMs, conclude)
      }
    })
    return true
  }

  #concludeFirst(round: FirstRound): void {
    const { attempt } = round
    const isEnough = this.#context.mutants.firstByMajority === true && round.isAccepted
    if (round.isChosen || isEnough) {
      this.#succeed(round)
      this.#next()
    } else if (!round.tally.reached) {
      this.#fail(round)
    } else {
      if (round.isVoid) {
        this.#putBack(unsent(attempt))
      } else {
        this.#attempts.add(attempt)
      }
      this.#resolve(round, successorOf(attempt.ballot))
    }
  }

  /** A majority has promised. First the fate of accepts that were lost on the way, in this very view. */
  #resolve({ chain, known, promises }: PrepareRound, ballot: Ballot): void {
    const attempts = this.#attempts
    const { mutants } = this.#context
    const best = chooseAccepted(promises, this.#group, known, chain, mutants)
    if (attempts.isEmpty) {
      this.#commit(chain, ballot, best, [])
      return
    }
    this.#context.ports.count('resolved')
    const fate = attempts.fate(best, mutants)
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
    const { trials, value } = runAll(batch, current, settings.valueBytesMax)
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
    const { ballot, lineage, value } = attempt
    const sets = chain.homesSince(chain.number, this.#group)
    const round = new AcceptRound(chain, sets, attempt)
    markSent(attempt)
    ports.count('rounds')
    const request = { type: 'accept', name: this.#name, ballot, value, lineage } as const
    const answered = (): void => {
      if (this.#round === round && round.tally.reached) {
        this.#round = undefined
        this.#succeed(round)
        this.#next()
      } else if (this.#round === round && round.tally.lost !== undefined) {
        this.#round = undefined
        this.#fail(round)
      }
      this.#sealIfAll(round)
    }
    this.#ask(round, request, answered, { late: value === undefined })
    if (mutants.cacheAfterFailure === true) {
      this.#promise = { ballot, base: attempt }
    }
  }

  #succeed({ attempt, chain, isContended }: AcceptRound | FirstRound): void {
    const next = successorOf(attempt.ballot)
    this.#backOff.succeed()
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
  #fail({ attempt, isContended, isVoid }: AcceptRound | FirstRound): void {
    const { mutants } = this.#context
    const operations = attempt.trials.map(({ operation }) => operation)
    const isOver =
      mutants.retryUnknown === true ||
      (mutants.refusalIsFinal === true && isContended) ||
      (isVoid && this.#attempts.isEmpty)
    if (isOver) {
      this.#putBack(unsent(attempt))
    } else if (mutants.cacheAfterFailure === true) {
      operations.forEach((operation) => operation.giveUp())
      this.#promise = isContended ? undefined : this.#promise
    } else {
      this.#attempts.add(attempt)
    }
    this.#pause(isContended ? 'contended' : 'no-quorum')
  }

  /** All members hold the deletion: they may erase it in a later view. */
  #sealIfAll({ attempt: { ballot, value }, chain, tally }: AcceptRound): void {
    if (value === undefined && tally.unanimous) {
      for (const voter of tally.voters) {
        const request = { type: 'seal', name: this.#name, ballot } as const
        // Best effort: unsealed, the deletion stays for longer.
        this.#context.ports.send(voter, chain.number, request, () => {})
      }
    }
  }

  #ask(round: Round, request: Request, answered: () => void, { late = false } = {}): void {
    this.#round = round
    for (const voter of round.tally.voters) {
      this.#context.ports.send(voter, round.chain.number, request, (answer) => {
        this.#context.hear(answer, voter)
        if (this.#round === round || late) {
          round.hear(voter, answer)
          answered()
        }
      })
    }
  }

  #pause(reason: Operation['reason']): void {
    for (const operation of this.#waiting) {
      operation.reason = reason
    }
    const delayMs = this.#backOff.fail(reason === 'contended')
    this.#cancelPause = this.#context.ports.schedule(delayMs, () => {
      this.#cancelPause = undefined
      this.#next()
    })
  }
}
