import { defineAgent } from '@murmuration/agent'
import { counter, map } from '@murmuration/crdt'
import type { Epoch, Registration, RegistryChange } from '@murmuration/interface'
import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { z } from 'zod'
import type { Mutants as RegistryMutants } from '../../registry/src/core/mutants.ts'
import { PlacementRegistry } from '../../registry/src/registry.ts'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'

const peers = ['a', 'b', 'c', 'd', 'e']
/** Suspicion, the rest of the links, a branch, claims in it, and a while in which both sides go on. */
const splitMs = [36_000, 48_000] as const
/** From the begin of a split: by then every side that goes on by itself has its branch. */
const claimMs = [18_000, 22_000] as const
const callTimeoutMs = 3_000
const quietMs = 60_000
/** Any two clocks differ by less than the 5 % that leases allow for. */
const driftMax = 0.024

/** What was granted to whom, with a label that nobody else gives. */
interface Grant {
  readonly id: string
  readonly peer: string
  readonly branch: string | undefined
}

export interface SplitsResult {
  readonly agreed: number
  readonly branched: number
  readonly grants: number
  readonly merges: number
}

/**
 * Leases and branches at once: while the network splits for long and a peer of the smaller side dies
 * now and then, agents that pause act under their leases on one side, agents of `continue-all` and
 * `leader-election` go on on all sides, and some are claimed on several. No owner of an older epoch acts
 * after a later one of an agent that pauses; every acknowledged call counts once, wherever it was
 * acknowledged; what any side had registered is registered after the heal; and of each claim that a side
 * had granted, watchers hear once what became of it.
 */
export async function runSplits(
  simulation: Simulation,
  mutants: RegistryMutants = {}
): Promise<SplitsResult> {
  for (const name of peers) {
    simulation.drift(name, (simulation.random.next() - 0.5) * 2 * driftMax)
  }
  const run = new SplitsRun(simulation)
  const cluster = await createSimulatedCluster({
    simulation,
    peers,
    agents: run.types,
    adapt: (platform) => ({
      ...platform,
      openRegistry: (components, init = {}) => new PlacementRegistry(components, init, mutants)
    })
  })
  return run.go(cluster)
}

type OnPartition = 'pause-minority' | 'continue-all' | 'leader-election'

function define(
  type: string,
  onPartition: OnPartition,
  effect: (id: string, epoch: Epoch) => void = () => {}
) {
  return defineAgent({
    type,
    onPartition,
    state: { hits: map(counter()) },
    actions: {
      add: {
        input: z.string(),
        output: z.string(),
        run: ({ input, state, id, epoch }) => {
          effect(id, epoch)
          state.hits.get(input).increment()
          return epoch.branch ?? ''
        }
      }
    }
  })
}
type Type = ReturnType<typeof define>

class SplitsRun {
  readonly #simulation: Simulation
  readonly #gate: Type
  readonly #board = define('board', 'continue-all')
  readonly #desk = define('desk', 'leader-election')
  /** The greatest epoch under which an agent that pauses has acted. */
  readonly #acted = new Map<string, Epoch>()
  /** Acknowledged and begun tags, by the agent's id. */
  readonly #acknowledged = new Map<string, Set<string>>()
  readonly #begun = new Map<string, Set<string>>()
  readonly #grants: Grant[] = []
  /** Merges that a peer was told of, by peer. */
  readonly #told = new Map<string, string[]>()
  readonly #merges: Extract<RegistryChange, { type: 'merged' }>[] = []
  #isOver = false
  #agreed = 0
  #branched = 0
  #violation: Error | undefined

  constructor(simulation: Simulation) {
    this.#simulation = simulation
    this.#gate = define('gate', 'pause-minority', (id, epoch) => this.#act(id, epoch))
  }

  get types(): readonly Type[] {
    return [this.#gate, this.#board, this.#desk]
  }

  async go(cluster: SimulatedCluster): Promise<SplitsResult> {
    for (const name of peers) this.#watch(cluster, name)
    const clients = Promise.all(peers.map((name) => this.#client(cluster, name)))
    await this.#simulation.run(integerBetween(this.#simulation.random, 500, 3_000))
    await this.#split(cluster)
    this.#rethrow()
    this.#isOver = true
    await this.#simulation.wait(clients, quietMs)
    await cluster.ready(peers, quietMs)
    await this.#check(cluster)
    return {
      agreed: this.#agreed,
      branched: this.#branched,
      grants: this.#grants.length,
      merges: this.#merges.length
    }
  }

  #rethrow(): void {
    if (this.#violation !== undefined) throw this.#violation
  }

  #act(id: string, { view, boot, branch }: Epoch): void {
    const { view: was = 0, boot: wasBoot = 0 } = this.#acted.get(id) ?? {}
    if (branch !== undefined) this.#violation ??= new Error(`${id} acted in branch ${branch}`)
    if (view < was || (view === was && boot < wasBoot)) {
      this.#violation ??= new Error(`${id} acted in ${view}.${boot} after ${was}.${wasBoot}`)
    } else {
      this.#acted.set(id, { view, boot })
    }
  }

  #watch(cluster: SimulatedCluster, name: string): void {
    const told = this.#told.get(name) ?? []
    this.#told.set(name, told)
    cluster.peer(name).registry.addEventListener('merged', ({ detail }) => {
      this.#simulation.log(`${name} is told: ${detail.id} merged, ${detail.reason}`)
      told.push(`${detail.id} ${detail.reason}`)
      this.#merges.push(detail)
    })
  }

  /** Calls agents of all types from one peer, one call after the other. */
  async #client(cluster: SimulatedCluster, name: string): Promise<void> {
    const { random } = this.#simulation
    for (let number = 0; !this.#isOver; number++) {
      await this.#pause(integerBetween(random, 200, 900))
      if (!cluster.isRunning(name)) continue
      const type = pick(random, this.types) ?? this.#gate
      const key = `k${integerBetween(random, 0, 1)}`
      const tag = `${name}.${number}`
      this.#of(this.#begun, type.id(key)).add(tag)
      const branch = await this.#call(cluster, name, { type, key, tag })
      if (branch === undefined) continue
      this.#of(this.#acknowledged, type.id(key)).add(tag)
      if (branch === '') this.#agreed++
      else this.#branched++
    }
  }

  /** The branch that acknowledged it; undefined where it is not known what became of it. */
  #call(
    cluster: SimulatedCluster,
    name: string,
    { type, key, tag }: { readonly type: Type; readonly key: string; readonly tag: string }
  ): Promise<string | undefined> {
    const ask = cluster.peer(name).agent(type, key).call('add', tag, { timeoutMs: callTimeoutMs })
    // A process that dies never answers.
    const late = this.#pause(2 * callTimeoutMs).then(() => undefined)
    return Promise.race([ask.catch(() => undefined), late])
  }

  async #split(cluster: SimulatedCluster): Promise<void> {
    const { random } = this.#simulation
    const shuffled = peers.toSorted(() => random.next() - 0.5)
    const count = integerBetween(random, 2, 4)
    const sides =
      random.next() < 0.2
        ? [shuffled.slice(0, 2), shuffled.slice(2, 4), shuffled.slice(4)]
        : [shuffled.slice(0, count), shuffled.slice(count)]
    this.#simulation.log(`split: ${sides.map((side) => side.join('')).join(' | ')}`)
    this.#simulation.split(...sides)
    const lengthMs = integerBetween(random, ...splitMs)
    const id = this.#board.id('claimed')
    const claims = peers.map((name) => this.#claim(cluster, name, id))
    const smaller = sides.toSorted((a, b) => a.length - b.length)[0] ?? []
    const victim = random.next() < 0.4 ? pick(random, smaller) : undefined
    await this.#simulation.run(lengthMs - 6_000)
    if (victim !== undefined) cluster.crash(victim)
    await this.#simulation.run(6_000)
    this.#simulation.heal()
    if (victim !== undefined) {
      await this.#simulation.wait(cluster.start(victim), quietMs)
      this.#watch(cluster, victim)
    }
    await this.#simulation.wait(Promise.all(claims), quietMs)
    await cluster.ready(peers, quietMs)
  }

  /** Each peer claims the same agent once for its side, and says so in a label. */
  async #claim(cluster: SimulatedCluster, peer: string, id: string): Promise<void> {
    const { random } = this.#simulation
    await this.#pause(integerBetween(random, ...claimMs))
    if (!cluster.isRunning(peer)) return
    const labels = { [peer]: 'claimed' }
    const agent: Registration = { id, placement: 'hash', replicas: 3, labels }
    const late = this.#pause(12_000).then(() => undefined)
    const claim = cluster.peer(peer).registry.register(agent)
    const result = await Promise.race([claim.catch(() => undefined), late])
    this.#simulation.log(`${peer} claims ${id}: ${result?.status ?? 'nothing'}`)
    if (result?.status !== 'claimed') return
    this.#grants.push({ id, peer, branch: result.epoch.branch })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#simulation.after(ms, resolve))
  }

  #of(tags: Map<string, Set<string>>, id: string): Set<string> {
    const known = tags.get(id) ?? new Set()
    tags.set(id, known)
    return known
  }

  /** Hand-overs and merges come after the heal. */
  async #check(cluster: SimulatedCluster): Promise<void> {
    // Links come to rest a while after the heal, and types that wait for that pause until then.
    const look = (): Promise<string | undefined> => this.#wrong(cluster).catch(String)
    let wrong = await look()
    for (let waited = 0; wrong !== undefined && waited < 40; waited++) {
      await this.#simulation.run(1_000)
      wrong = await look()
    }
    if (wrong !== undefined) throw new Error(wrong)
    // What is told twice is told late.
    await this.#simulation.run(3_000)
    this.#checkTold()
    this.#rethrow()
  }

  async #wrong(cluster: SimulatedCluster): Promise<string | undefined> {
    for (const type of this.types) {
      for (const key of ['k0', 'k1']) {
        const wrong = await this.#wrongState(cluster, type, key)
        if (wrong !== undefined) return wrong
      }
    }
    return this.#wrongWords(cluster, this.#board.id('claimed'))
  }

  async #wrongState(
    cluster: SimulatedCluster,
    type: Type,
    key: string
  ): Promise<string | undefined> {
    const id = type.id(key)
    for (const peer of ['a', 'e']) {
      const reading = cluster.peer(peer).agent(type, key).state()
      const { value, epoch } = await this.#simulation.wait(reading, 30_000)
      if (epoch?.branch !== undefined) return `${id} is still in a branch`
      const begun = this.#of(this.#begun, id)
      for (const [tag, count] of Object.entries(value.hits)) {
        if (count > 1 || !begun.has(tag)) return `${tag} of ${id} counts ${count} times`
      }
      for (const tag of this.#of(this.#acknowledged, id)) {
        if (value.hits[tag] !== 1) return `${tag} of ${id} was acknowledged and is lost on ${peer}`
      }
    }
    return undefined
  }

  /** What any side had registered is there; of a side that decides only the last one stands. */
  async #wrongWords(cluster: SimulatedCluster, id: string): Promise<string | undefined> {
    const described = await this.#simulation.wait(cluster.peer('c').registry.describe(id), quietMs)
    const last = this.#grants.findLast(({ branch }) => branch === undefined)
    for (const { peer, branch } of this.#grants) {
      const isLost = described?.labels[peer] === undefined
      if (isLost && (branch !== undefined || peer === last?.peer)) {
        return `what ${peer} registered of ${id} in ${branch ?? 'an agreed view'} is lost`
      }
    }
    return undefined
  }

  #checkTold(): void {
    for (const [peer, told] of this.#told) {
      const twice = told.find((one, at) => told.indexOf(one) !== at)
      if (twice !== undefined) throw new Error(`${peer} was told twice of ${twice}`)
    }
    for (const { id, peer, branch } of this.#grants) {
      const other = this.#grants.find((one) => one.id === id && one.branch === undefined)
      if (branch === undefined || other === undefined) continue
      const merge = this.#merges.find(
        (one) => one.id === id && one.sides[0].branch === branch && one.sides[0].peer === peer
      )
      if (merge === undefined) throw new Error(`nobody told of the claims of ${id} in ${branch}`)
      const [here, there] = merge.sides
      if (here.labels[peer] === undefined || there.labels[other.peer] === undefined) {
        throw new Error(`the merge of ${id} in ${branch} does not tell what both sides had`)
      }
    }
  }
}
