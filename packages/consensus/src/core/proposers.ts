import type { Chain } from './chain.ts'
import type { Operation } from './operation.ts'
import type { ProposerContext } from './proposer.ts'
import { RegisterProposer } from './register-proposer.ts'
import type { RegisterName } from './register-name.ts'

/** Proposers that are looked at for an idle one, so that many busy ones cost no time. */
const looksMax = 16

/** The proposers of all registers that a peer has used of late. */
export class Proposers {
  readonly #context: ProposerContext
  readonly #max: number
  /** The least recently used one first. */
  readonly #byName = new Map<RegisterName, RegisterProposer>()

  constructor(context: ProposerContext, max: number) {
    this.#context = context
    this.#max = max
  }

  get size(): number {
    return this.#byName.size
  }

  waitingFor(name: RegisterName): number {
    return this.#byName.get(name)?.waitingCount ?? 0
  }

  propose(name: RegisterName, operation: Operation): void {
    const proposer = this.#byName.get(name) ?? new RegisterProposer(name, this.#context)
    this.#byName.delete(name)
    this.#byName.set(name, proposer)
    proposer.propose(operation)
    this.#shrink()
  }

  adopt(chain: Chain): void {
    this.#context.chain = chain
    for (const proposer of this.#byName.values()) {
      proposer.adopt()
    }
  }

  /** Forgets idle ones: it only costs them the next round trip. */
  #shrink(): void {
    let looks = looksMax
    for (const [name, proposer] of this.#byName) {
      looks--
      if (this.#byName.size <= this.#max || looks < 0) {
        return
      }
      if (proposer.isIdle) {
        this.#byName.delete(name)
      }
    }
  }
}
