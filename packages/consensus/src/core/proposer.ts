import type { Ballot } from './ballot.ts'
import type { Chain } from './chain.ts'
import type { Voter } from './home-set.ts'
import type { Mutants } from './mutants.ts'
import type { Answer, Request } from './requests.ts'

/** What a proposer needs from outside. */
export interface ProposerPorts {
  /** `answered` runs exactly once, at the latest with the deadline of a request. */
  send(voter: Voter, view: number, request: Request, answered: (answer: Answer) => void): void
  /** Runs a task after a time; the returned function cancels it. */
  schedule(delayMs: number, task: () => void): () => void
  /** Monotonic time. Unit: ms. */
  now(): number
  /** A number in [0, 1). */
  random(): number
  /** Somebody has adopted a newer view than this peer. */
  behind(view: number, peer: string): void
  count(event: 'rounds' | 'conflicts' | 'fastRounds' | 'peeks' | 'resolved'): void
}

export interface ProposerSettings {
  readonly valueBytesMax: number
  readonly batchMax: number
  /** How long the last acceptors are waited for when a first value lacks only theirs. */
  readonly firstWaitMs: number
  readonly backOffMs: {
    readonly first: number
    readonly longest: number
    /** Where proposers compete: at least one round of the present speed, and up to so many. */
    readonly rounds: number
  }
}

/** What the proposers of all registers of one peer share. */
export class ProposerContext {
  readonly ports: ProposerPorts
  readonly settings: ProposerSettings
  readonly mutants: Mutants
  /** Undefined before the first view. */
  chain: Chain | undefined
  /** The highest `settled` that any acceptor told. */
  settledHeard = 0
  /** `PeerId#incarnation#boot`. */
  readonly #name: string
  /** The highest counter that was used or seen; shared, so that every ballot is used once (P1). */
  #counter = 0

  constructor(init: {
    readonly name: string
    readonly ports: ProposerPorts
    readonly settings: ProposerSettings
    readonly mutants: Mutants
  }) {
    this.#name = init.name
    this.ports = init.ports
    this.settings = init.settings
    this.mutants = init.mutants
  }

  /** A ballot that was never used before, above all that were seen. */
  freshBallot(view: number): Ballot {
    this.#counter++
    return { view, counter: this.#counter, proposer: this.#name }
  }

  /** Later ballots are above this one. */
  seen({ counter }: Ballot): void {
    this.#counter = Math.max(this.#counter, counter)
  }

  /** What any answer tells beside the register that it is about. */
  hear(answer: Answer, { peer }: Voter): void {
    if (answer.type === 'fenced') {
      this.ports.behind(answer.view, peer)
    } else if (answer.type === 'reply') {
      this.settledHeard = Math.max(this.settledHeard, answer.settled)
      if (answer.reply.type === 'conflict') {
        this.seen(answer.reply.highest)
        this.ports.count('conflicts')
      }
    }
  }
}
