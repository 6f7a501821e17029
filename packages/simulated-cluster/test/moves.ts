import { Session, defineAgent } from '@murmuration/agent'
import { counter, map } from '@murmuration/crdt'
import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { z } from 'zod'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'

const peers = ['p0', 'p1', 'p2', 'p3']
const keys = ['x', 'y', 'z']

const tagged = defineAgent({
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

/**
 * Agents that are called all the time move from one peer to another, and one of the two is killed at
 * some step of it: while copies are made, at the switch, while the new owner merges, or after. No call
 * fails for good, and each counts once.
 */
export async function runMoves(simulation: Simulation): Promise<void> {
  const cluster = await createSimulatedCluster({ simulation, peers, agents: [tagged] })
  const { random } = simulation
  const callers = new Callers(cluster)
  const [from, to] = peers.toSorted(() => random.next() - 0.5)
  if (from === undefined || to === undefined) throw new Error('no peers')
  const ids = keys.map((key) => tagged.id(key))
  await simulation.wait(cluster.peer(from).placement.move(ids, from))
  callers.start()
  await simulation.run(integerBetween(random, 50, 300))
  const mover =
    pick(
      random,
      peers.filter((name) => name !== from && name !== to)
    ) ?? ''
  const moving = cluster.peer(mover).placement.move(ids, to, { timeoutMs: 5000 })
  // A view is agreed on within some milliseconds; a merge needs some more.
  const killed = random.next() < 0.5 ? from : to
  await simulation.run(random.next() < 0.7 ? random.next() * 12 : random.next() * 100)
  cluster.crash(killed, { machine: random.next() < 0.3 })
  await simulation.wait(moving.catch(() => {}))
  await simulation.run(integerBetween(random, 200, 3000))
  await simulation.wait(cluster.start(killed))
  callers.stop()
  await cluster.ready(peers, 60_000)
  const isDone = (): boolean => callers.open === 0
  if (!(await simulation.until(isDone, 60_000))) {
    throw new Error(`${callers.open} calls were never answered`)
  }
  for (const key of keys) {
    const { value } = await simulation.wait(cluster.peer(mover).agent(tagged, key).state())
    const tags = callers.tagsOf(key)
    const wrong = tags.find((tag) => value.hits[tag] !== 1)
    if (wrong !== undefined) throw new Error(`${wrong} counts ${value.hits[wrong] ?? 0} times`)
    if (Object.keys(value.hits).length !== tags.length) throw new Error(`${key} has others' tags`)
  }
}

/** One client of many keys, which repeats with its key what has no answer. */
class Callers {
  readonly #cluster: SimulatedCluster
  readonly #session: Session
  readonly #tags: string[] = []
  open = 0
  #isStopped = false

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    this.#session = new Session(`client of seed ${cluster.simulation.seed}`)
  }

  start(): void {
    const { simulation } = this.#cluster
    if (this.#isStopped) return
    const key = pick(simulation.random, keys) ?? 'x'
    const tag = `${key}${this.#tags.length}`
    this.#tags.push(tag)
    this.open++
    void this.#call(key, tag)
    simulation.after(integerBetween(simulation.random, 1, 40), () => this.start())
  }

  stop(): void {
    this.#isStopped = true
  }

  tagsOf(key: string): readonly string[] {
    return this.#tags.filter((tag) => tag.startsWith(key))
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
