import type { Operation, Outcome } from './protocol.ts'

const TELL_MS = 50
/** A timer that is later than this was held up by the machine. */
const STALL_MS = 50

type What = Pick<Operation, 'kind' | 'key' | 'action' | 'name'>
type Seen = Pick<Operation, 'list' | 'versions' | 'epoch' | 'had'>

/** Tells the launcher what clients of this peer do, before and after, so that it outlives them. */
export class Recorder {
  readonly #client: number
  readonly #now: () => number
  readonly #tell: (operations: readonly Operation[]) => void
  #done: Operation[] = []
  #busy = 0
  #stalledMs = 0

  constructor(client: number, now: () => number, tell: (operations: readonly Operation[]) => void) {
    this.#client = client
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

  /** Operations under way. */
  get busy(): number {
    return this.#busy
  }

  now(): number {
    return this.#now()
  }

  /** Does one operation; `isWrite`: what becomes of it counts also where its client dies. */
  async do(what: What, isWrite: boolean, call: () => Promise<Seen | undefined>): Promise<Outcome> {
    const begun = this.#now()
    const about = { client: this.#client, life: process.pid, ...what, begun }
    if (isWrite) this.#tell([{ ...about, ms: 0, stalledMs: 0, outcome: 'begun' }])
    const stalledBefore = this.#stalledMs
    this.#busy++
    let outcome: Outcome = 'ok'
    let seen: Seen | undefined
    let error: string | undefined
    try {
      seen = await call()
    } catch (thrown) {
      const facts = thrown as { readonly name?: string; readonly outcomeUnknown?: boolean }
      outcome = facts.outcomeUnknown === true ? 'unknown' : 'failed'
      error = facts.name ?? String(thrown)
    }
    const ms = this.#now() - begun
    this.#busy--
    const stalledMs = this.#stalledMs - stalledBefore
    const done = { ...about, ms, stalledMs, outcome, ...seen }
    this.#done.push(error === undefined ? done : { ...done, error })
    if (outcome === 'ok' && isWrite) this.#flush()
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
