import { isFactual, OverloadedError, stackless } from '@murmuration/interface'
import type { CallGuard, Clock, MurmurationError } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import type { BulkheadPolicy } from 'cockatiel'
import { createBulkhead, through } from './bulkhead.ts'
import { createCircuit, isOpenCircuit } from './circuit-breaker.ts'
import type { Circuit } from './circuit-breaker.ts'
import { defaults } from './defaults.ts'
import { createRetryBudget } from './retry.ts'
import { Throttle } from './throttle.ts'

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
 * answers, be it that it is overloaded, shows that it is there. So does an answer to another call
 * while a late one was under way. Of what would only be shed, no more is sent than shows when the load
 * has ended.
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
    run: async (peer, agent, call) => {
      budget.earn()
      // By both: after a failover the same agent is well on another peer.
      const name = `${agent} on ${peer}`
      // What is kept from an agent with a full mailbox must not count against the others there.
      agents.throttle(name)
      peers.throttle(peer)
      return await peers.run(peer, () => agents.run(name, call))
    },
    isOpenCircuit,
    mayRepeat: () => budget.take()
  }
}

/** Nobody answered in time. A deadline of which a peer tells was missed behind it. */
function isSilence(error: unknown): boolean {
  return isFactual(error) && error.name === 'DeadlineExceededError' && error.answered !== true
}

/** The far side itself said so. */
function isAnswer(error: unknown): error is MurmurationError {
  return isFactual(error) && error.answered === true
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

/** A far side with calls under way. */
interface Busy {
  readonly bulkhead: BulkheadPolicy
  /** Counts its answers, so that a late call knows whether any came while it waited. */
  answers: number
}

/** The circuits, bulkheads and throttles of one kind of far side. */
class Lane {
  readonly #init: LaneInit
  /** Of those that failed lately; all others have a closed one, which does nothing. */
  readonly #circuits = new Map<string, Circuit>()
  /** Those with calls under way. */
  readonly #busy = new Map<string, Busy>()
  /** Of those that shed lately. */
  readonly #throttles = new Map<string, Throttle>()
  /** Of those that are being looked at. */
  readonly #verdicts = new Map<string, Promise<boolean>>()

  constructor(init: LaneInit) {
    this.#init = init
    // Refuses bounds that are none now and not at the first call.
    createBulkhead(init.callsMax, 0)
    this.#createCircuit('')
  }

  /** @throws OverloadedError for calls that the far side would only shed */
  throttle(name: string): void {
    if (this.#throttles.size === 0 || this.#throttles.get(name)?.passes() !== false) return
    const why = `${this.#init.kind} ${name} sheds most of its calls; nothing was sent`
    throw stackless(() => new OverloadedError(why))
  }

  async run<T>(name: string, call: () => Promise<T>): Promise<T> {
    const { kind, callsMax } = this.#init
    const busy = this.#busy.get(name) ?? { bulkhead: createBulkhead(callsMax, 0), answers: 0 }
    this.#busy.set(name, busy)
    const { bulkhead, answers } = busy
    const within = (): Promise<T> => through(bulkhead, `${kind} ${name}`, call)
    const circuit = this.#circuits.get(name)
    const isDoubtful = circuit !== undefined && circuit.state !== 'closed'
    try {
      const result = await (isDoubtful ? circuit.run(within) : within())
      this.#answered(name, busy, false)
      return result
    } catch (error) {
      if (isAnswer(error)) this.#answered(name, busy, error.overloaded)
      // Where others were answered meanwhile, it waited for its turn.
      const isSilent = isSilence(error) && busy.answers === answers
      if (isSilent && !isDoubtful) void this.#suspect(name, error)
      throw error
    } finally {
      if (bulkhead.executionSlots === callsMax) this.#busy.delete(name)
    }
  }

  #answered(name: string, busy: Busy, isShed: boolean): void {
    busy.answers++
    if (this.#circuits.get(name)?.state === 'closed') this.#circuits.delete(name)
    let throttle = this.#throttles.get(name)
    if (throttle === undefined) {
      if (!isShed) return
      const { clock, kind } = this.#init
      throttle = new Throttle(
        clock,
        kind === 'peer' ? defaults.throttleFreePeer : defaults.throttleFreeAgent
      )
      keep(this.#throttles, name, throttle)
    }
    throttle.ended(isShed)
    if (!isShed && throttle.isCalm) this.#throttles.delete(name)
  }

  /** Counts a call without an answer, unless a look shows that the far side is there. */
  async #suspect(name: string, error: unknown): Promise<void> {
    if (await this.#isAlive(name)) return
    let circuit = this.#circuits.get(name)
    if (circuit === undefined) {
      circuit = this.#createCircuit(name)
      keep(this.#circuits, name, circuit)
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

/** Keeps something of a far side; of too many, the oldest is forgotten. */
function keep<V>(all: Map<string, V>, name: string, value: V): void {
  all.set(name, value)
  const oldest = all.keys().next()
  if (all.size > defaults.circuitsMax && oldest.done !== true) all.delete(oldest.value)
}
