import type { Cluster } from '@murmuration/cluster'
import { agentTypes } from './agents.ts'
import type { Kind } from './agents.ts'
import type { Operation, Outcome, PeerInit } from './protocol.ts'

/** Milliseconds that one operation may take, as its client asks for. */
export const DEADLINE_MS = 10_000
const TELL_MS = 50
/** A timer that is later than this was held up by the machine. */
const STALL_MS = 50

/** Steady work on all agents: one loop for each key, so that none hides behind another. */
export class Load {
  readonly #cluster: Cluster
  readonly #init: PeerInit
  readonly #now: () => number
  readonly #tell: (operations: readonly Operation[]) => void
  #done: Operation[] = []
  #run = 0
  #names = 0
  #busy = 0
  #stalledMs = 0

  constructor(
    cluster: Cluster,
    init: PeerInit,
    now: () => number,
    tell: (operations: readonly Operation[]) => void
  ) {
    this.#cluster = cluster
    this.#init = init
    this.#now = now
    this.#tell = tell
    let last = performance.now()
    setInterval(() => {
      const late = performance.now() - last - TELL_MS
      last = performance.now()
      if (late > STALL_MS) this.#stalledMs += late
      this.#flush()
    }, TELL_MS).unref()
  }

  begin(): void {
    const run = ++this.#run
    const { keys, paceMs } = this.#init
    for (let key = 0; key < keys; key++) {
      for (const kind of ['ledger', 'board'] as const) {
        // Spread over the time of one pace, so that nothing beats in step.
        setTimeout(() => void this.#loop(run, kind, `k${key}`), Math.random() * paceMs)
      }
    }
    const tick = setInterval(() => {
      if (run !== this.#run) clearInterval(tick)
      // At most once, and only counted: what is lost shows in the report.
      else this.#cluster.signals.publish({ type: 'chaos.tick', data: null }).catch(() => undefined)
    }, 1_000)
  }

  get busy(): number {
    return this.#busy
  }

  rest(): void {
    this.#run++
  }

  async #loop(run: number, kind: Kind, key: string): Promise<void> {
    const agent = this.#cluster.agent(agentTypes[kind], key)
    let last: string | undefined
    for (let turn = 0; run === this.#run; turn++) {
      const begun = this.#now()
      if (turn % 8 === 7) {
        await this.#do(kind, key, 'size', '', () => agent.call('size', null, options))
      } else if (turn % 4 === 3 && last !== undefined) {
        const name = last
        last = undefined
        await this.#do(kind, key, 'remove', name, () => agent.call('remove', { name }, options))
      } else {
        const name = `${this.#init.index}.${process.pid}.${this.#names++}`
        const outcome = await this.#do(kind, key, 'add', name, () =>
          agent.call('add', { name }, options)
        )
        last = outcome === 'ok' ? name : undefined
      }
      const left = this.#init.paceMs - (this.#now() - begun)
      await new Promise((resolve) => setTimeout(resolve, Math.max(5, left)))
    }
  }

  async #do(
    kind: Kind,
    key: string,
    action: Operation['action'],
    name: string,
    call: () => Promise<unknown>
  ): Promise<Outcome> {
    const begun = this.#now()
    const client = this.#init.index
    const what = { client, kind, key, action, name, begun }
    if (action !== 'size') this.#tell([{ ...what, ms: 0, stalledMs: 0, outcome: 'begun' }])
    const stalledBefore = this.#stalledMs
    this.#busy++
    let outcome: Outcome = 'ok'
    let error: string | undefined
    try {
      await call()
    } catch (thrown) {
      const facts = thrown as { readonly name?: string; readonly outcomeUnknown?: boolean }
      outcome = facts.outcomeUnknown === true ? 'unknown' : 'failed'
      error = facts.name ?? String(thrown)
    }
    const ms = this.#now() - begun
    this.#busy--
    const stalledMs = this.#stalledMs - stalledBefore
    const done = { ...what, ms, stalledMs, outcome }
    this.#done.push(error === undefined ? done : { ...done, error })
    if (outcome === 'ok' && action !== 'size') this.#flush()
    return outcome
  }

  /** Acknowledgements leave the process as soon as they are known: they must outlive it. */
  #flush(): void {
    if (this.#done.length === 0) return
    const done = this.#done
    this.#done = []
    this.#tell(done)
  }
}

const options = { timeoutMs: DEADLINE_MS }
