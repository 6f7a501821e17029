import { isFactual } from '@murmuration/interface'
import type { CallGuard, Clock } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import type { BulkheadPolicy } from 'cockatiel'
import { createBulkhead, through } from './bulkhead.ts'
import { createCircuit, isOpenCircuit } from './circuit-breaker.ts'
import type { Circuit } from './circuit-breaker.ts'
import { defaults } from './defaults.ts'
import { createRetryBudget } from './retry.ts'

/** Options of {@link createCallGuard}. */
export interface CallGuardInit {
  /** Calls without an answer, one after the other, that open a circuit. @default 5 */
  readonly failuresMax?: number
  /** Milliseconds before one call is let through again. @default 1000 */
  readonly resetMs?: number
  /** Calls to one peer under way at once. @default 2048 */
  readonly callsPerPeerMax?: number
  /** Calls to one agent under way at once. @default 1024 */
  readonly callsPerAgentMax?: number
  /**
   * Looks at a peer that did not answer a call: an agent that is slow must not close the way to the
   * others there. @default nobody looks, and each such call counts
   */
  readonly isAlive?: (peer: string) => Promise<boolean>
  /** @default the real time */
  readonly clock?: Clock
}

/**
 * Guards the calls of a cluster peer. Only silence counts as a failure: a connection that is refused
 * or lost is for membership to judge, whose next view sends the calls elsewhere, and what a peer
 * answers shows that it is there.
 */
export function createCallGuard(init: CallGuardInit = {}): CallGuard {
  const { failuresMax = defaults.failuresMax, resetMs = defaults.resetMs } = init
  const { callsPerPeerMax = defaults.callsPerPeerMax } = init
  const { callsPerAgentMax = defaults.callsPerAgentMax } = init
  const { isAlive, clock = systemClock } = init
  const times = { failuresMax, resetMs, clock }
  const peers = new Lane({ ...times, kind: 'peer', callsMax: callsPerPeerMax, isAlive })
  const agents = new Lane({ ...times, kind: 'agent', callsMax: callsPerAgentMax })
  const budget = createRetryBudget({ clock })
  return {
    run: (peer, agent, call) => {
      budget.earn()
      // By both: after a failover the same agent is well on another peer.
      return peers.run(peer, () => agents.run(`${agent} on ${peer}`, call))
    },
    isOpenCircuit,
    mayRepeat: () => budget.take()
  }
}

function isSilence(error: unknown): boolean {
  return isFactual(error) && error.name === 'DeadlineExceededError'
}

/** Whether a far side that did not answer one call is there all the same. */
type Judge = (name: string) => Promise<boolean>

interface LaneInit {
  readonly kind: 'peer' | 'agent'
  readonly failuresMax: number
  readonly resetMs: number
  readonly clock: Clock
  readonly callsMax: number
  readonly isAlive?: Judge | undefined
}

/** The circuits and bulkheads of one kind of far side. */
class Lane {
  readonly #init: LaneInit
  /** Of those that failed lately; all others have a closed one, which does nothing. */
  readonly #circuits = new Map<string, Circuit>()
  /** Of those with calls under way. */
  readonly #bulkheads = new Map<string, BulkheadPolicy>()
  /** Of those that are being looked at. */
  readonly #verdicts = new Map<string, Promise<boolean>>()

  constructor(init: LaneInit) {
    this.#init = init
    // Refuses bounds that are none now and not at the first call.
    createBulkhead(init.callsMax, 0)
    this.#createCircuit('')
  }

  async run<T>(name: string, call: () => Promise<T>): Promise<T> {
    const { kind, callsMax } = this.#init
    const bulkhead = this.#bulkheads.get(name) ?? createBulkhead(callsMax, 0)
    this.#bulkheads.set(name, bulkhead)
    const within = (): Promise<T> => through(bulkhead, `${kind} ${name}`, call)
    const circuit = this.#circuits.get(name)
    const isDoubtful = circuit !== undefined && circuit.state !== 'closed'
    try {
      const result = await (isDoubtful ? circuit.run(within) : within())
      if (circuit?.state === 'closed') this.#circuits.delete(name)
      return result
    } catch (error) {
      if (!isDoubtful && isSilence(error)) void this.#suspect(name, error)
      throw error
    } finally {
      if (bulkhead.executionSlots === callsMax) this.#bulkheads.delete(name)
    }
  }

  /** Counts a call without an answer, unless a look shows that the far side is there. */
  async #suspect(name: string, error: unknown): Promise<void> {
    if (await this.#isAlive(name)) return
    let circuit = this.#circuits.get(name)
    if (circuit === undefined) {
      circuit = this.#createCircuit(name)
      this.#circuits.set(name, circuit)
      const oldest = this.#circuits.keys().next()
      if (this.#circuits.size > defaults.circuitsMax && oldest.done !== true) {
        this.#circuits.delete(oldest.value)
      }
    }
    // Open already: the failure before this one was the last that it took.
    if (circuit.state !== 'closed') return
    await circuit
      .run(() => Promise.reject(error))
      .catch(() => {
        // It is counted; its caller gets the error itself.
      })
  }

  async #isAlive(name: string): Promise<boolean> {
    const { isAlive } = this.#init
    if (isAlive === undefined) return false
    let verdict = this.#verdicts.get(name)
    if (verdict === undefined) {
      // A look that fails has seen nothing.
      verdict = isAlive(name).catch(() => false)
      this.#verdicts.set(name, verdict)
      void verdict.then(() => this.#verdicts.delete(name))
    }
    return await verdict
  }

  #createCircuit(name: string): Circuit {
    const { kind, ...times } = this.#init
    return createCircuit({ ...times, name: `${kind} ${name}`, isFailure: isSilence })
  }
}
