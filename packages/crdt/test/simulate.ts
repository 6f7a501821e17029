import type { Simulation, Mutant, Workload } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { mutants as switches } from '../src/core/mutants.ts'
import type { Collection, CollectionReport, Document, Draft, Operation, Stamp } from './imports.ts'
import {
  counter,
  createDocument,
  decodeDocument,
  flag,
  list,
  lww,
  map,
  nextCollection,
  nextStamp,
  opaque,
  set
} from './imports.ts'

/*
 * Five replicas of one document on a network that loses, repeats and reorders, with splits, crashes,
 * lost disks and collections of writers. Beside each document stands a shadow: the set of updates
 * that it should contain. In the end all shadows, all bytes and all values must be equal, and the
 * value must be what the updates in the shadow come to.
 */

const schema = {
  sum: counter(),
  votes: map(counter()),
  tags: set<string>(),
  items: list<string>(),
  last: lww<number>(),
  cells: map(lww<number>()),
  note: opaque<number>((a, b) => Math.max(a, b)),
  on: flag()
}

const REPLICAS = 5
const STEPS = 120

/** One update as the oracle sees it. */
interface Change {
  readonly id: number
  readonly writer: string
  readonly delta: Uint8Array
  readonly increment: number
  readonly adds: readonly string[]
  readonly removes: readonly string[]
}

interface Disk {
  readonly bytes: Uint8Array
  readonly shadow: ReadonlySet<number>
  readonly held: ReadonlyMap<number, Change>
}

const emptyDisk: Disk = { bytes: createDocument().encode(), shadow: new Set(), held: new Map() }

class Replica {
  document: Document = createDocument()
  shadow = new Set<number>()
  /** What it could hand on by itself: it resubmits these after it took another's state. */
  held = new Map<number, Change>()
  disk: Disk = emptyDisk
  stamp: Stamp = { time: 0, tick: 0 }
  incarnation = 0
  boot = 0
  /** Whether it got the others' state since its disk was lost. */
  isWhole = true
  side = 0
  readonly index: number

  constructor(index: number) {
    this.index = index
  }

  get writer(): string {
    return `p${this.index}#${this.incarnation}#${this.boot}`
  }

  save(): void {
    this.disk = {
      bytes: this.document.encode(),
      shadow: new Set(this.shadow),
      held: new Map(this.held)
    }
  }

  restart(): void {
    this.boot++
    this.document = decodeDocument(this.disk.bytes)
    this.shadow = new Set(this.disk.shadow)
    this.held = new Map(this.disk.held)
  }

  lose(): void {
    this.incarnation++
    this.disk = emptyDisk
    this.isWhole = false
    this.restart()
  }

  take(change: Change, gone: ReadonlySet<string>): void {
    const { status } = this.document.apply(change.delta, { gone })
    if (status === 'below-floor') throw new Error('below the floor, with all collections known')
    this.shadow.add(change.id)
    this.held.set(change.id, change)
  }
}

class World {
  readonly replicas = Array.from({ length: REPLICAS }, (_, index) => new Replica(index))
  readonly #random: Simulation['random']
  readonly #log: Simulation['log']
  readonly #changes: Change[] = []
  readonly #network: { readonly to: number; readonly from: number; readonly change: Change }[] = []
  readonly #collections: Collection[] = []
  readonly #isSplitIgnored: boolean
  readonly #late = new Set<number>()
  #now = 1_000
  #names = 0

  constructor(simulation: Simulation, agreesWithoutAway: boolean) {
    this.#random = simulation.random
    this.#log = (line) => simulation.log(line)
    this.#isSplitIgnored = agreesWithoutAway
  }

  next(bound: number): number {
    return Math.floor(this.#random.next() * bound)
  }

  one(): Replica {
    return this.replicas[this.next(REPLICAS)] ?? new Replica(0)
  }

  gone(above: number): ReadonlySet<string> {
    const names = this.#collections.slice(above).flatMap(({ writers }) => Object.keys(writers))
    return new Set(names)
  }

  step(): void {
    this.#now += this.next(3)
    const replica = this.one()
    const action = this.next(40)
    if (action < 12) this.#update(replica)
    else if (action < 23) this.#deliver()
    else if (action < 29) this.sync(replica, this.one())
    else if (action === 29) replica.save()
    else if (action < 32) this.#crash(replica)
    else if (action === 32) this.#wipe(replica)
    else if (action === 33) for (const each of this.replicas) each.side = this.next(2)
    else if (action < 37) for (const each of this.replicas) each.side = 0
    else this.#collect()
  }

  #crash(replica: Replica): void {
    replica.restart()
    this.#log(`${replica.writer} restarts`)
  }

  #wipe(replica: Replica): void {
    if (this.replicas.some(({ isWhole }) => !isWhole)) return
    replica.lose()
    this.#log(`${replica.writer} lost its disk`)
  }

  #update(replica: Replica): void {
    const { draft, operations } = replica.document.draft(schema)
    const made = { increment: 0, adds: [] as string[], removes: [] as string[] }
    for (let left = 1 + this.next(2); left > 0; left--) this.#change(draft, made)
    const change = this.#execute(replica, operations, made)
    this.#log(`${replica.writer} ${JSON.stringify(operations)} as ${change.id}`)
    for (const { index } of this.replicas) {
      if (index !== replica.index && this.next(3) > 0) {
        this.#network.push({ to: index, from: replica.index, change })
      }
    }
  }

  #execute(
    replica: Replica,
    operations: readonly Operation[],
    made: Pick<Change, 'increment' | 'adds' | 'removes'>
  ): Change {
    // Clocks differ, and are so coarse that they often show the same.
    const nowMs = Math.floor(this.#now / 16) + (replica.index % 2)
    replica.stamp = nextStamp(replica.stamp, nowMs)
    const { writer, stamp } = replica
    const { delta } = replica.document.execute(operations, { writer, stamp, schema })
    const change = { id: this.#changes.length, writer, delta, ...made }
    this.#changes.push(change)
    replica.shadow.add(change.id)
    replica.held.set(change.id, change)
    // Durable before it is sent: what left the replica survives its crash, not the loss of its disk.
    replica.save()
    return change
  }

  #change(
    draft: Draft<typeof schema>,
    made: { increment: number; adds: string[]; removes: string[] }
  ): void {
    const key = 'ab'[this.next(2)] ?? 'a'
    const name = `e${this.#names++}`
    const gone = (values: readonly string[]): string | undefined => values[this.next(values.length)]
    const small = 1 + this.next(9)
    switch (this.next(10)) {
      case 0:
      case 1:
        made.increment += small
        return draft.sum.increment(small)
      case 2:
      case 3: {
        const value = gone(draft.tags.value)
        if (value === undefined || this.next(2) === 0) {
          made.adds.push(name)
          return draft.tags.add(name)
        }
        made.removes.push(value)
        return draft.tags.remove(value)
      }
      case 4:
        if (draft.items.length > 2) return
        made.adds.push(`${name}i`)
        return draft.items.insert(this.next(draft.items.length + 1), `${name}i`)
      case 5: {
        const at = this.next(draft.items.length)
        const value = draft.items.value[at]
        if (value === undefined) return
        if (this.next(2) === 0) return draft.items.move(at, this.next(draft.items.length))
        made.removes.push(value)
        return draft.items.delete(at)
      }
      case 6:
        if (this.next(3) === 0) return draft.votes.delete(key)
        return draft.votes.get(key).increment(small)
      case 7:
        if (this.next(3) === 0) return draft.cells.delete(key)
        return draft.cells.get(key).set(this.#names)
      case 8:
        if (this.next(2) === 0) return draft.note.set(this.#names)
        return draft.last.set(this.#names)
      default:
        return this.next(2) === 0 ? draft.on.enable() : draft.on.disable()
    }
  }

  #deliver(): void {
    const at = this.next(this.#network.length)
    const message = this.#network[at]
    if (message === undefined) return
    const to = this.replicas[message.to]
    const from = this.replicas[message.from]
    if (to === undefined || from === undefined || to.side !== from.side) return
    to.take(message.change, this.gone(0))
    // Kept now and then, to arrive once more at any later time.
    if (this.next(4) > 0) this.#network.splice(at, 1)
  }

  /** One replica takes another's state; both know of all collections that were decided. */
  sync(to: Replica, from: Replica): void {
    if (to === from || to.side !== from.side) return
    this.raise(to)
    this.raise(from)
    if (to.document.floor > from.document.floor) return
    if (to.document.floor < from.document.floor) {
      // From below the floor: the other's state instead of the own one, then the own tail again.
      const gone = this.gone(0)
      to.document = from.document.clone()
      to.shadow = new Set(from.shadow)
      for (const change of to.held.values()) to.take(change, gone)
      this.#log(`${to.writer} gives its state up for that of ${from.writer}`)
    } else {
      to.document.merge(from.document)
      for (const id of from.shadow) to.shadow.add(id)
    }
    for (const [id, change] of from.held) to.held.set(id, change)
    if (from.isWhole) to.isWhole = true
    to.save()
  }

  /** Carries out the collections that were decided, as far as this copy can. */
  raise(replica: Replica): void {
    for (const collection of this.#collections.slice(replica.document.floor)) {
      if (replica.document.collect(collection) === 'gap') return
      replica.save()
    }
  }

  #collect(): void {
    const asked = this.replicas.filter(({ side }) => this.#isSplitIgnored && side === 0)
    if (asked.length === 0 && this.replicas.some(({ side }) => side !== 0)) return
    const replicas = asked.length === 0 ? this.replicas : asked
    const alive = new Set(this.replicas.map(({ writer }) => writer))
    const reports = replicas.map((replica): CollectionReport => {
      this.raise(replica)
      // What is reported is durable.
      replica.save()
      return replica.document.report()
    })
    const collection = nextCollection(reports, (writer) => !alive.has(writer))
    if (collection === undefined || collection.floor !== this.#collections.length + 1) return
    this.#collections.push(collection)
    this.#giveUp(collection)
    this.#log(`collection ${collection.floor} of ${Object.keys(collection.writers).join(' ')}`)
  }

  /**
   * What a collected writer sent and no replica got before its disk was lost may still be on its way
   * and comes too late: nobody was told that it is safe.
   */
  #giveUp({ writers }: Collection): void {
    for (const { id, writer } of this.#changes) {
      if (Object.hasOwn(writers, writer) && !this.replicas.some(({ shadow }) => shadow.has(id))) {
        this.#late.add(id)
        this.#log(`${id} by ${writer} is late`)
      }
    }
  }

  get floor(): number {
    return this.#collections.length
  }

  finish(): void {
    for (const replica of this.replicas) replica.side = 0
    for (let round = 0; round < 3; round++) {
      for (const to of this.replicas) for (const from of this.replicas) this.sync(to, from)
    }
    // Late repetitions change nothing.
    for (const { to, change } of this.#network.splice(0)) {
      this.replicas[to]?.take(change, this.gone(0))
    }
    for (let round = 0; round < 2; round++) {
      for (const to of this.replicas) for (const from of this.replicas) this.sync(to, from)
    }
    this.#check()
  }

  #check(): void {
    const [first, ...others] = this.replicas
    if (first === undefined) return
    const value = first.document.value(schema)
    const bytes = first.document.encode()
    for (const id of this.#late) first.shadow.delete(id)
    for (const { document, shadow, writer } of others) {
      for (const id of this.#late) shadow.delete(id)
      const own = [...shadow].sort((a, b) => a - b).join()
      if (own !== [...first.shadow].sort((a, b) => a - b).join()) {
        throw new Error(`${writer} has other updates`)
      }
      same(document.value(schema), value, `value of ${writer}`)
      same([...document.encode()], [...bytes], `bytes of ${writer}`)
    }
    const changes = this.#changes.filter(({ id }) => first.shadow.has(id))
    same(
      value.sum,
      changes.reduce((sum, { increment }) => sum + increment, 0),
      'sum'
    )
    const removed = new Set(changes.flatMap(({ removes }) => removes))
    const living = changes.flatMap(({ adds }) => adds).filter((name) => !removed.has(name))
    same([...value.tags, ...value.items].sort(), living.sort(), 'elements')
  }
}

function same(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`)
}

async function runReplicas(simulation: Simulation, agreesWithoutAway = false): Promise<number> {
  const world = new World(simulation, agreesWithoutAway)
  for (let step = 0; step < STEPS; step++) world.step()
  world.finish()
  return world.floor
}

/** With one rule broken. */
function breaking(rule: keyof Mutants): (simulation: Simulation) => Promise<void> {
  return async (simulation) => {
    switches[rule] = true
    try {
      await runReplicas(simulation)
    } finally {
      switches[rule] = false
    }
  }
}

export const workloads: readonly Workload[] = [
  {
    name: 'crdt/replicas',
    share: 40,
    run: async (simulation) => {
      await runReplicas(simulation)
    }
  }
]

export const mutants: readonly Mutant[] = [
  {
    name: 'crdt/forgets-early-removals',
    rule: 'a removal that comes before what it removes is kept until that comes',
    killingSeed: 158,
    budget: 3_000,
    run: breaking('forgetsEarlyRemovals')
  },
  {
    name: 'crdt/merges-blindly',
    rule: 'a write that only one side has is dead if the other side has seen it',
    killingSeed: 1,
    budget: 20,
    run: breaking('mergesBlindly')
  },
  {
    name: 'crdt/counts-twice',
    rule: 'an increment that comes twice counts once',
    killingSeed: 1,
    budget: 20,
    run: breaking('countsTwice')
  },
  {
    name: 'crdt/ignores-the-floor',
    rule: 'a late delta of a writer that was collected is no news',
    killingSeed: 32,
    budget: 1_000,
    run: breaking('ignoresFloor')
  },
  {
    name: 'crdt/collects-unchecked',
    rule: 'a copy in which something of a writer is missing or lives does not collect it',
    killingSeed: 245,
    budget: 6_000,
    run: breaking('collectsUnchecked')
  },
  {
    name: 'crdt/agrees-without-the-away',
    rule: 'a collection is agreed by all replicas, not by those that can be reached',
    killingSeed: 1,
    budget: 1_500,
    run: async (simulation) => {
      await runReplicas(simulation, true)
    }
  },
  {
    name: 'crdt/ties-by-arrival',
    rule: 'between equal stamps the higher writer wins, whatever came first',
    killingSeed: 43,
    budget: 500,
    run: breaking('tiesByArrival')
  }
]
