import { counter, set } from '@murmuration/crdt'
import type { AgentRecord, Membership, Partition, VersionVector } from '@murmuration/interface'
import { createMembership } from '@murmuration/membership'
import { createBranches, createPartition } from '@murmuration/partition'
import { assertHolds, checkConvergence } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { includesVersion } from '../src/index.ts'
import type { Commit } from '../src/index.ts'
import { StateService } from '../src/state.ts'
import { pick } from './world.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']
const IDS = ['test/branch/x', 'test/branch/y', 'test/branch/z']
const schema = { names: set<string>(), count: counter() }
/** Longer than a side takes to be at rest and to make its branch. */
const SPLIT_MS = [18_000, 45_000] as const
const ATTEMPT_MS = 2_500

interface Key {
  readonly session: string
  readonly sequence: number
  readonly lowest: number
}

/** An update that was acknowledged in a branch: its client does not pass it before it is merged. */
interface Kept {
  readonly sequence: number
  readonly id: string
  readonly version: VersionVector
}

interface Peer {
  readonly name: string
  readonly membership: Membership
  readonly placed: Membership
  readonly partition: Partition
  readonly state: StateService
}

/** What came of a run, for tests that want to see that it shows something. */
export interface BranchCounts {
  /** Updates that were acknowledged in an agreed view, and in branches. */
  readonly agreed: number
  readonly branched: number
  /** Documents that several sides wrote. */
  readonly both: number
}

/**
 * Every peer has a client that adds names to documents which go on everywhere, while the network
 * splits into two or three sides, splits again, heals, and a peer dies now and then. In the end nothing
 * that any side acknowledged is missing, nothing counts twice, and every document has one owner.
 */
export async function runBranches(
  simulation: Simulation,
  mutants: Mutants = {}
): Promise<BranchCounts> {
  return new BranchRun(simulation, mutants).run()
}

class BranchRun {
  readonly #simulation: Simulation
  readonly #mutants: Mutants
  readonly #peers = new Map<string, Peer>()
  readonly #acknowledged = new Map(IDS.map((id) => [id, new Set<string>()]))
  readonly #begun = new Map(IDS.map((id) => [id, new Set<string>()]))
  readonly #branches = new Map(IDS.map((id) => [id, new Set<string>()]))
  #sides: readonly (readonly string[])[] = [NAMES]
  /** Of those the ones whose members come from several sides, which have not merged what they did. */
  #mixed: readonly (readonly string[])[] = []
  /** Acknowledgements since the sides are these and nobody died: what a side may not go back from. */
  #seen = new Map<string, VersionVector>()
  readonly #wentBack: string[] = []
  /** Hand-overs may be slow: then clients go on for a while before what a side did is merged. */
  readonly #compareMs: number
  #isOver = false
  #agreed = 0
  #branched = 0

  constructor(simulation: Simulation, mutants: Mutants) {
    this.#simulation = simulation
    this.#mutants = mutants
    this.#compareMs = simulation.random.next() < 0.5 ? 3_000 : 30_000
  }

  async run(): Promise<BranchCounts> {
    const simulation = this.#simulation
    for (const name of NAMES) {
      this.#start(name)
      await simulation.run(300)
    }
    await this.#whole()
    const clients = NAMES.map((name) => this.#client(name))
    await this.#faults()
    this.#split([NAMES])
    for (const name of NAMES) if (!simulation.isRunning(name)) this.#start(name)
    await this.#whole()
    this.#isOver = true
    await simulation.wait(Promise.all(clients), 120_000)
    await this.#verify()
    const both = [...this.#branches.values()].filter(({ size }) => size > 1).length
    return { agreed: this.#agreed, branched: this.#branched, both }
  }

  #start(name: string): void {
    const { rpc, store, clock, random, links } = this.#simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      { cluster: 'test', found: name === 'a', contacts: () => NAMES }
    )
    const partition = createPartition({ membership, rpc, clock })
    const placed = createBranches({ membership, partition, rpc, clock })
    const goesOn = (): boolean => true
    const components = { rpc, membership: placed, store, clock, random, goesOn }
    const state = new StateService(
      components,
      { requestTimeoutMs: 500, compareMs: this.#compareMs, foldEntries: 2, foldIdleMs: 200 },
      this.#mutants
    )
    this.#peers.set(name, { name, membership, placed, partition, state })
    void Promise.resolve(membership.start()).then(async () => {
      await partition.start()
      await placed.start()
      await state.start()
    })
  }

  async #whole(): Promise<void> {
    const isWhole = (): boolean => {
      const all = [...this.#peers.values()]
      const number = all[0]?.membership.view?.number
      return all.every(
        ({ membership: { view, settled }, partition }) =>
          view?.members.length === NAMES.length &&
          view.number === number &&
          settled === number &&
          partition.status === 'whole'
      )
    }
    const isDone = await this.#simulation.until(isWhole, 120_000)
    if (!isDone) throw new Error('the peers did not come together')
  }

  #split(sides: readonly (readonly string[])[]): void {
    this.#simulation.heal()
    const isPart = (side: readonly string[]): boolean =>
      this.#sides.some((former) => side.every((name) => former.includes(name)))
    this.#mixed = sides.filter((side) => !isPart(side))
    this.#sides = sides
    this.#seen = new Map()
    if (sides.length > 1) this.#simulation.split(...sides)
  }

  async #faults(): Promise<void> {
    const simulation = this.#simulation
    const { random } = simulation
    for (let round = 0; round < 2; round++) {
      await simulation.run(1_000 + random.next() * 2_000)
      // A second split follows the first one now and then without a heal in between.
      const splits = random.next() < 0.4 ? 2 : 1
      for (let split = 0; split < splits; split++) {
        this.#split(this.#randomSides())
        const [least, most] = SPLIT_MS
        const lengthMs = least + random.next() * (most - least)
        await simulation.run(lengthMs / 2)
        if (random.next() < 0.4) await this.#restart(pick(random, NAMES))
        await simulation.run(lengthMs / 2)
      }
      this.#split([NAMES])
      await simulation.run(random.next() * 8_000)
    }
  }

  async #restart(name: string): Promise<void> {
    this.#simulation.crash(name)
    this.#seen = new Map()
    await this.#simulation.run(500 + this.#simulation.random.next() * 3_000)
    this.#start(name)
  }

  #randomSides(): string[][] {
    const { random } = this.#simulation
    const count = random.next() < 0.3 ? 3 : 2
    const sides: string[][] = Array.from({ length: count }, () => [])
    for (const name of NAMES) pick(random, sides).push(name)
    return sides.filter(({ length }) => length > 0)
  }

  /** One client, whose session is on its peer; each name is tried until it is acknowledged. */
  async #client(name: string): Promise<void> {
    const { random } = this.#simulation
    const session = `client of ${name}`
    let kept: Kept[] = []
    for (let sequence = 0; !this.#isOver; sequence++) {
      const id = pick(random, IDS)
      const element = `${name}.${sequence}`
      this.#begun.get(id)?.add(element)
      for (;;) {
        kept = kept.filter((one) => !this.#isMerged(one))
        const key = { session, sequence, lowest: kept[0]?.sequence ?? sequence }
        const done = await this.#add(name, id, element, key)
        if (done?.epoch.branch !== undefined) {
          kept.push({ sequence, id, version: done.version })
        }
        if (done !== undefined) break
        await this.#pause(200 + random.next() * 400)
      }
      this.#acknowledged.get(id)?.add(element)
      await this.#pause(random.next() * 600)
    }
  }

  async #add(name: string, id: string, element: string, key: Key): Promise<Commit | undefined> {
    const place = this.#peers.get(name)?.state.placement()
    const owner = place?.ownerOf(record(id))?.peer ?? ''
    const isReached = this.#sides.some((side) => side.includes(name) && side.includes(owner))
    const peer = this.#peers.get(owner)
    const isUp = [name, owner].every((one) => this.#simulation.isRunning(one))
    if (!isReached || peer === undefined || !isUp) return undefined
    const seen = this.#seen
    const ownSide = this.#sides.findIndex((side) => side.includes(name))
    const isMixed = this.#mixed.some((side) => side.includes(name))
    const where = `${id} ${ownSide}`
    const before = seen.get(where)
    const late = new AbortController()
    const cancel = this.#simulation.after(ATTEMPT_MS, () => late.abort())
    try {
      // A process that dies never answers.
      const done = await Promise.race([
        this.#commit(peer, id, element, key, late.signal),
        this.#pause(2 * ATTEMPT_MS).then(() => undefined)
      ])
      if (done === undefined) return undefined
      const { branch } = done.epoch
      if (branch === undefined) this.#agreed++
      else this.#branched++
      this.#branches.get(id)?.add(branch ?? 'agreed')
      // After a heal, also of some, the sides know each other, and have not merged yet.
      if (seen === this.#seen && this.#sides.length > 1 && !isMixed) {
        this.#judge(before, done, `${id}: ${element} in ${branch ?? 'an agreed view'}`)
        seen.set(where, done.version)
      }
      return done
    } catch {
      // Not the owner, too few copies, or unknown: again, with the same key.
      return undefined
    } finally {
      cancel()
    }
  }

  /** Within one side, each acknowledged state includes those that were acknowledged before it began. */
  #judge(before: VersionVector | undefined, done: Commit, what: string): void {
    if (before === undefined) return
    if (includesVersion(done.version, before)) return
    this.#wentBack.push(what)
  }

  async #commit(
    { state }: Peer,
    id: string,
    element: string,
    key: Key,
    signal: AbortSignal
  ): Promise<Commit> {
    const owned = await state.own(record(id), { signal })
    const { draft, operations } = owned.document.draft(schema)
    draft.names.add(element)
    draft.count.increment()
    return owned.commit(operations, { key, signal, timeoutMs: 2_000 })
  }

  /** Whether the owner in an agreed view has what a branch acknowledged. */
  #isMerged({ id, version }: Kept): boolean {
    return [...this.#peers.values()].some(({ name, state }) => {
      const tenure = this.#simulation.isRunning(name) ? state.held(id)?.tenure : undefined
      return (
        tenure !== undefined &&
        tenure.epoch.branch === undefined &&
        includesVersion(tenure.document.version, version)
      )
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#simulation.after(ms, resolve))
  }

  /** Hand-overs of what a side did by itself come after the heal. */
  async #verify(): Promise<void> {
    const simulation = this.#simulation
    let found = await this.#violations()
    for (let waited = 0; found.length > 0 && waited < 90; waited++) {
      await simulation.run(1_000)
      found = await this.#violations()
    }
    assertHolds(found)
  }

  async #violations(): Promise<ReturnType<typeof checkConvergence>> {
    const all = await Promise.all(IDS.map((id) => this.#violationsOf(id)))
    const wentBack = this.#wentBack.map((detail) => ({ rule: 'no side goes back', detail }))
    return [...wentBack, ...all.flat()]
  }

  async #violationsOf(id: string): Promise<ReturnType<typeof checkConvergence>> {
    const peers = [...this.#peers.values()]
    const replicas = []
    for (const { name, state } of peers) {
      const reading = await this.#simulation.wait(state.read(record(id)), 30_000)
      const { names, count } = reading.document.value(schema)
      const bytes = new TextEncoder().encode([count, ...names.toSorted()].join(' '))
      replicas.push({ name, bytes, elements: names, count })
    }
    const added = this.#acknowledged.get(id) ?? new Set()
    const begun = this.#begun.get(id) ?? new Set()
    const owners = peers.filter(({ state }) => state.held(id)?.tenure !== undefined)
    const wrong = replicas.filter(({ count }) => count < added.size || count > begun.size)
    return [
      ...checkConvergence(replicas, { added, removed: [] }),
      ...wrong.map(({ count }) => ({
        rule: 'every update counts once',
        detail: `${id} counts ${count} of ${added.size} to ${begun.size}`
      })),
      ...(owners.length === 1
        ? []
        : [{ rule: 'one owner', detail: `${id} is served by ${owners.length} peers` }])
    ]
  }
}

function record(id: string): AgentRecord {
  return { id, placement: 'hash', replicas: 3 }
}
