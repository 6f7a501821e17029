import { Session, defineAgent } from '@murmuration/agent'
import { counter, map } from '@murmuration/crdt'
import { integerBetween, pick } from '@murmuration/testkit'
import { z } from 'zod'
import type { SimulatedCluster } from '../src/index.ts'

export const tagged = defineAgent({
  type: 'tagged',
  state: { hits: map(counter()) },
  actions: {
    add: {
      input: z.string(),
      output: z.number(),
      run({ input, state }) {
        state.hits.get(input).increment()
        return state.hits.get(input).value
      }
    }
  }
})

/** One client of many keys, which repeats with its key what has no answer. */
export class Callers {
  readonly #cluster: SimulatedCluster
  readonly #keys: readonly string[]
  readonly #session: Session
  readonly #tags: string[] = []
  open = 0
  #isStopped = false

  constructor(cluster: SimulatedCluster, keys: readonly string[]) {
    this.#cluster = cluster
    this.#keys = keys
    this.#session = new Session(`client of seed ${cluster.simulation.seed}`)
  }

  start(): void {
    const { simulation } = this.#cluster
    if (this.#isStopped) return
    const key = pick(simulation.random, this.#keys) ?? 'x'
    const tag = `${key}.${this.#tags.length}`
    this.#tags.push(tag)
    this.open++
    void this.#call(key, tag)
    simulation.after(integerBetween(simulation.random, 1, 40), () => this.start())
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Waits until all calls are answered, and checks that each of them counts once. */
  async check(): Promise<void> {
    const { simulation } = this.#cluster
    if (!(await simulation.until(() => this.open === 0, 60_000))) {
      throw new Error(`${this.open} calls were never answered`)
    }
    const [peer = ''] = this.#cluster.running
    for (const key of this.#keys) {
      const agent = this.#cluster.peer(peer).agent(tagged, key)
      const { value } = await simulation.wait(agent.state())
      const tags = this.#tags.filter((tag) => tag.startsWith(`${key}.`))
      const wrong = tags.find((tag) => value.hits[tag] !== 1)
      if (wrong !== undefined) throw new Error(`${wrong} counts ${value.hits[wrong] ?? 0} times`)
      if (Object.keys(value.hits).length !== tags.length) throw new Error(`${key} has others' tags`)
    }
  }

  async #call(key: string, tag: string): Promise<void> {
    const { simulation } = this.#cluster
    const open = this.#session.open()
    for (;;) {
      const from = pick(simulation.random, this.#cluster.running)
      if (from !== undefined && (await this.#attempt(from, key, tag, open))) break
      await new Promise<void>((resolve) => void simulation.after(50, resolve))
    }
    this.#session.confirm(open.sequence)
    this.open--
  }

  /** Whether it was answered, before its peer died. */
  #attempt(
    from: string,
    key: string,
    tag: string,
    open: ReturnType<Session['open']>
  ): Promise<boolean> {
    const { simulation } = this.#cluster
    const { life } = simulation.node(from)
    const options = { timeoutMs: 8000, idempotencyKey: this.#session.refresh(open) }
    return new Promise((resolve) => {
      const watch = (): void => {
        const isHere = this.#cluster.isRunning(from) && simulation.node(from).life === life
        if (isHere) cancel = simulation.after(100, watch)
        else resolve(false)
      }
      let cancel = simulation.after(100, watch)
      this.#cluster
        .peer(from)
        .agent(tagged, key)
        .call('add', tag, options)
        .then(
          () => resolve(true),
          (error: unknown) => {
            simulation.log(`${tag} through ${from} fails: ${String(error)}`)
            resolve(false)
          }
        )
        .finally(() => cancel())
    })
  }
}
