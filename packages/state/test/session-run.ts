import type { VersionVector } from '@murmuration/interface'
import { checkSessions } from '@murmuration/testkit'
import type { SessionOperation, Simulation } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { pick, recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const ID = 'test/doc/a'
const CLIENTS = 3
const OPERATIONS = 80
const ANSWER_MS = 800

/** How many reads one run makes, about. */
export const readsOfRun = Math.round(CLIENTS * OPERATIONS * 0.75)

/**
 * Clients write at the owner and read from any peer, each with a token of its session, while
 * messages are lost, peers crash and come back, and views give the document to others. No session
 * may miss its own writes, go back, or be seen out of order. Gives the number of reads.
 */
export async function runSessions(simulation: Simulation, mutants: Mutants = {}): Promise<number> {
  return new SessionRun(simulation, mutants).run()
}

class SessionRun {
  readonly #simulation: Simulation
  readonly #world: World
  readonly #operations: SessionOperation[] = []
  #isOver = false

  constructor(simulation: Simulation, mutants: Mutants) {
    this.#simulation = simulation
    this.#world = new World(simulation, 5, mutants)
  }

  async run(): Promise<number> {
    const { peers } = this.#world
    const { random } = this.#simulation
    this.#world.newView(peers)
    for (const peer of peers) await this.#simulation.wait(this.#world.start(peer))
    await this.#simulation.run(100)
    const loss = random.next() < 0.3 ? 0 : random.next() * 0.2
    this.#simulation.conditions({ loss, delayMs: [0.2, 5 + random.next() * 40] })
    const faults = this.#faults()
    const clients = Array.from({ length: CLIENTS }, (_, at) => this.#client(`s${at}`))
    await this.#simulation.wait(Promise.all(clients), 600_000)
    this.#isOver = true
    await this.#simulation.wait(faults, 60_000)
    const [violation] = checkSessions(this.#operations)
    if (violation !== undefined) throw new Error(`${violation.rule}: ${violation.detail}`)
    return this.#operations.filter(({ write }) => write === undefined).length
  }

  async #client(name: string): Promise<void> {
    const { random } = this.#simulation
    let sessions = 0
    let session = name
    let token: VersionVector = {}
    let written = 0
    for (let at = 0; at < OPERATIONS; at++) {
      const isWrite = random.next() < 0.25
      const found = isWrite
        ? await this.#write(session, written + 1, token)
        : await this.#read(session, token)
      if (found !== undefined) {
        token = joined(token, found)
        if (isWrite) written++
      } else if (isWrite) {
        // It saw an update that was never acknowledged: that session is over.
        session = `${name}.${++sessions}`
        token = {}
        written = 0
      }
      await this.#wait(random.next() * 20)
    }
  }

  /** Repeated with its key until it is acknowledged; undefined where it cannot follow the token. */
  async #write(
    session: string,
    number: number,
    after: VersionVector
  ): Promise<VersionVector | undefined> {
    const key = { session, sequence: number, lowest: number }
    for (let behind = 0; behind < 50;) {
      const answer = await this.#inTime(async () => {
        const state = this.#world.ownerOf(ID)?.state
        const owned = await state?.own(recordOf(ID))
        if (owned === undefined) return undefined
        // As the agents' host does, before anything is executed.
        if (!owned.includes(after)) return void behind++
        const { draft, operations } = owned.document.draft(schema)
        draft.hits.get(session).increment()
        const { version } = await owned.commit(operations, { key })
        const { hits } = owned.document.value(schema)
        return { version, hits }
      })
      if (answer !== undefined) {
        const write = { writer: session, number }
        this.#operations.push({ session, write, versions: answer.hits })
        return joined(after, answer.version)
      }
      await this.#wait(40)
    }
    return undefined
  }

  async #read(session: string, after: VersionVector): Promise<VersionVector | undefined> {
    const peer = pick(this.#simulation.random, this.#running())
    const reading = await this.#inTime(() => peer.state?.read(recordOf(ID), { after }))
    if (reading === undefined) return undefined
    const { hits } = reading.document.value(schema)
    this.#operations.push({ session, versions: hits })
    return reading.version
  }

  async #faults(): Promise<void> {
    const { random } = this.#simulation
    const world = this.#world
    while (!this.#isOver) {
      await this.#wait(100 + random.next() * 400)
      if (this.#isOver) return
      if (random.next() < 0.4) {
        const peer = pick(random, this.#running())
        world.crash(peer, { wipe: false })
        await this.#wait(random.next() * 300)
        await world.start(peer)
      } else {
        const left = pick(random, world.peers)
        world.newView(
          random.next() < 0.5 ? world.peers : world.peers.filter((peer) => peer !== left)
        )
      }
    }
  }

  #running(): Peer[] {
    return this.#world.peers.filter(({ state }) => state !== undefined)
  }

  /** Undefined where it failed, or nobody answered: who crashed never will. */
  #inTime<T>(task: () => Promise<T> | undefined): Promise<T | undefined> {
    const late = this.#wait(ANSWER_MS).then(() => undefined)
    const answer = Promise.resolve(task()).catch(() => undefined)
    return Promise.race([answer, late])
  }

  #wait(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#simulation.after(durationMs, resolve)
    })
  }
}

function joined(a: VersionVector, b: VersionVector): VersionVector {
  const all = { ...a }
  for (const [writer, count] of Object.entries(b)) {
    all[writer] = Math.max(all[writer] ?? 0, count)
  }
  return all
}
