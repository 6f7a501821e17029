import { Session } from '@murmuration/agent'
import type { Cluster } from '@murmuration/cluster'
import { ledger, vault } from './agents.ts'
import type { DurabilityLog, Part } from './durability-log.ts'
import { wait } from './herd.ts'

/** Updates of merged parts that are under way at once. */
const IN_FLIGHT = 128
/** Agents whose agreed part is written, each by one writer: others would only get in its way. */
const AGREED_WRITERS = 24
/** Updates of one agent: their names are its state, so they bound its size. */
const UPDATES_PER_AGENT = 200
/** Agents that are written in turn until each has so many updates. */
const AGENTS = 100
const ATTEMPT_MS = 10_000
const GIVE_UP_MS = 90_000
const READS_AT_ONCE = 16

/** Writes from outside of the cluster, and notes what was acknowledged. */
export class Writer {
  readonly #cluster: Cluster
  readonly #updates: number
  readonly #log: DurabilityLog
  readonly #turn: number
  #begun: number
  #isConcluding = false
  /** What attempts ended with before they were repeated, by name. */
  readonly errors = new Map<string, number>()

  constructor(cluster: Cluster, updates: number, log: DurabilityLog, turn: number) {
    this.#cluster = cluster
    this.#updates = updates
    this.#log = log
    this.#turn = turn
    this.#begun = log.acknowledged
  }

  get share(): number {
    return this.#log.acknowledged / this.#updates
  }

  /** No more than was asked for, or than the time of this turn allowed. */
  conclude(): void {
    this.#isConcluding = true
  }

  async run(): Promise<void> {
    // On until the last loss is repaired: no peer is lost without load.
    const isOver = (): boolean => this.#isConcluding
    const merged = this.#sessionOf('merged')
    const merging = async (): Promise<void> => {
      while (!isOver()) {
        const number = this.#begun++
        // Agents take turns, so that many are written at any time.
        const key = `d${(number % AGENTS) + AGENTS * Math.floor(number / (AGENTS * UPDATES_PER_AGENT))}`
        await this.#update('merged', key, String(number), merged)
      }
    }
    const agreeing = async (_: unknown, writer: number): Promise<void> => {
      // Its own: a register remembers few updates that others of their session have not let go of.
      const session = this.#sessionOf(`agreed-${writer}`)
      for (let count = 0; !isOver(); count++) {
        const key = `s${writer}.${this.#turn}.${Math.floor(count / UPDATES_PER_AGENT)}`
        await this.#update('agreed', key, String(this.#begun++), session)
      }
    }
    await Promise.all([
      ...Array.from({ length: IN_FLIGHT }, merging),
      ...Array.from({ length: AGREED_WRITERS }, agreeing)
    ])
  }

  #sessionOf(name: string): Session {
    return new Session(`durability-${name}-${this.#cluster.peerId.slice(-12)}`)
  }

  async #update(part: Part, key: string, number: string, session: Session): Promise<void> {
    // What an earlier turn sent last may stand without having been acknowledged.
    const name = `${this.#turn}.${number}`
    const idempotencyKey = session.open()
    const options = { idempotencyKey, timeoutMs: ATTEMPT_MS }
    const late = performance.now() + GIVE_UP_MS
    for (;;) {
      try {
        if (part === 'merged') {
          await this.#cluster.agent(ledger, key).call('add', { name }, options)
        } else {
          const push = (draft: { names: string[] }): void => void draft.names.push(name)
          await this.#cluster.agent(vault, key).update(push, { ...options, consistency: 'strong' })
        }
        break
      } catch (error) {
        const what = error instanceof Error ? error.name : String(error)
        this.errors.set(what, (this.errors.get(what) ?? 0) + 1)
        if (performance.now() > late) {
          throw new Error(`update ${name} of ${key} is not taken`, { cause: error })
        }
        await wait(100)
      }
    }
    session.confirm(idempotencyKey.sequence)
    this.#log.add(part, key, name)
  }

  /** Reads back everything that was ever acknowledged. */
  async verify(): Promise<{ lost: string[]; doubled: string[] }> {
    const lost: string[] = []
    const doubled: string[] = []
    const { merged, agreed } = this.#log.names
    const waiting = [
      ...[...merged].map(([key, log]) => ({ key, log, read: () => this.#merged(key) })),
      ...[...agreed].map(([key, log]) => ({ key, log, read: () => this.#agreed(key) }))
    ]
    const reader = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const { key, log, read } = next
        const { names, count } = await read()
        for (const name of log) if (!names.has(name)) lost.push(`${key} ${name}`)
        // Each is counted once, those included that were never acknowledged.
        if (count > names.size) doubled.push(`${key} counts ${count} of ${names.size}`)
        if (count < names.size) lost.push(`${key} counts ${count} of ${names.size}`)
      }
    }
    await Promise.all(Array.from({ length: READS_AT_ONCE }, reader))
    return { lost, doubled }
  }

  async #merged(key: string): Promise<{ names: ReadonlySet<string>; count: number }> {
    const agent = this.#cluster.agent(ledger, key)
    const { value } = await agent.state({ timeoutMs: GIVE_UP_MS, consistency: 'session' })
    return { names: new Set(value.names), count: value.count }
  }

  async #agreed(key: string): Promise<{ names: ReadonlySet<string>; count: number }> {
    const agent = this.#cluster.agent(vault, key)
    const { value } = await agent.state({ timeoutMs: GIVE_UP_MS, consistency: 'strong' })
    return { names: new Set(value.names), count: value.names.length }
  }
}
