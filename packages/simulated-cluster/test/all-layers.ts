import { Session } from '@murmuration/agent'
import { integerBetween, pick } from '@murmuration/testkit'
import type { IdempotencyKey } from '@murmuration/interface'
import type { Simulation } from '@murmuration/testkit'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'
import { tally } from './tally.ts'

const peers = ['p0', 'p1', 'p2', 'p3', 'p4']
const keys = ['x', 'y']
const faultsMs = 8000
const callTimeoutMs = 3000
/** After the last fault: removal of the dead, leases, take-over, and the repetition of each call. */
const quietMs = 60_000
/** Clocks of peers differ in rate by this at most: what leases allow for is more. */
const driftMax = 0.02

/** What clients were told of one tag. */
interface Call {
  readonly key: string
  readonly tag: string
  acknowledged: boolean
}

/** Deliberate mistakes of the client, which the checks must find. */
export interface Mistakes {
  /** It repeats a call of unknown outcome as a new one. */
  readonly repeatsWithoutKey?: boolean
  /** It never hears how its first call ended. */
  readonly missesAnswer?: boolean
}

export interface AllLayersResult {
  readonly acknowledged: number
}

/**
 * All layers together: agents on a cluster whose peers are killed, paused, cut off and lose their
 * disks, and whose clocks drift, while a client calls through all of them and repeats with its key what
 * it has no answer to. In the end every call is acknowledged and counts exactly once, and every peer
 * tells the same.
 */
export async function runAllLayers(
  simulation: Simulation,
  mistakes: Mistakes = {}
): Promise<AllLayersResult> {
  for (const name of peers) {
    simulation.drift(name, (simulation.random.next() - 0.5) * 2 * driftMax)
  }
  const cluster = await createSimulatedCluster({ simulation, peers, agents: [tally] })
  const run = new Run(cluster, mistakes)
  await run.go()
  return { acknowledged: run.calls.filter(({ acknowledged }) => acknowledged).length }
}

class Run {
  readonly calls: Call[] = []
  readonly #simulation: Simulation
  readonly #cluster: SimulatedCluster
  readonly #mistakes: Mistakes
  readonly #session: Session
  readonly #paused = new Set<string>()
  #hasFaults = true

  constructor(cluster: SimulatedCluster, mistakes: Mistakes) {
    this.#simulation = cluster.simulation
    this.#cluster = cluster
    this.#mistakes = mistakes
    this.#session = new Session(`client of seed ${cluster.simulation.seed}`)
  }

  async go(): Promise<void> {
    this.#client()
    this.#nemesis()
    await this.#simulation.run(faultsMs)
    this.#hasFaults = false
    await this.#recover()
    await this.#check()
  }

  /** A new call now and then. */
  #client(): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) {
      return
    }
    const call = {
      key: pick(random, keys) ?? 'x',
      tag: `t${this.calls.length}`,
      acknowledged: false
    }
    this.calls.push(call)
    this.#send(call, this.#session.open())
    this.#simulation.after(integerBetween(random, 20, 250), () => this.#client())
  }

  /** Through a random peer, again and again until it is answered. */
  #send(call: Call, key: IdempotencyKey, isRepeated = false): void {
    const { random } = this.#simulation
    const again = (): void => {
      this.#simulation.after(integerBetween(random, 20, 400), () => this.#send(call, key, true))
    }
    const from = pick(random, this.#cluster.running)
    if (from === undefined) {
      again()
      return
    }
    const isForgotten = isRepeated && this.#mistakes.repeatsWithoutKey === true
    const idempotency = isForgotten ? {} : { idempotencyKey: this.#session.refresh(key) }
    const log = (what: string): void => {
      this.#simulation.log(`${call.tag} of ${call.key} through ${from} ${what}`)
    }
    const { life } = this.#simulation.node(from)
    const fail = (why: string): void => {
      log(`fails: ${why}`)
      again()
    }
    let isSettled = false
    const isDeaf = call.tag === 't0' && this.#mistakes.missesAnswer === true
    let stopWatching = (): void => {}
    const settle = (then: () => void): void => {
      if (!isSettled && !isDeaf) {
        isSettled = true
        stopWatching()
        then()
      }
    }
    // A caller that dies never hears of its call, and one that is paused may die before it goes on.
    const watch = (wasAwake: boolean): void => {
      stopWatching = this.#simulation.after(callTimeoutMs * 1.2, () => {
        if (!this.#cluster.isRunning(from) || this.#simulation.node(from).life !== life) {
          settle(() => fail('its peer died'))
          return
        }
        const isAwake = !this.#paused.has(from)
        if (isAwake && wasAwake) {
          throw new Error(`${call.tag} of ${call.key} through ${from} outlives its deadline`)
        }
        watch(isAwake)
      })
    }
    watch(false)
    this.#cluster
      .peer(from)
      .agent(tally, call.key)
      .call('add', call.tag, { timeoutMs: callTimeoutMs, ...idempotency })
      .then(
        (count) => {
          settle(() => {
            log(`counts ${count}`)
            call.acknowledged = true
            this.#session.confirm(key.sequence)
          })
        },
        (error: unknown) => settle(() => fail(String(error)))
      )
  }

  #nemesis(): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) {
      return
    }
    const name = pick(random, this.#cluster.running)
    const kind = random.next()
    if (name !== undefined && kind < 0.35) {
      this.#crash(name)
    } else if (name !== undefined && kind < 0.6) {
      this.#pause(name)
    } else if (kind < 0.9) {
      const side = peers.filter(() => random.next() < 0.4)
      this.#simulation.split(
        side,
        peers.filter((one) => !side.includes(one))
      )
      this.#simulation.after(integerBetween(random, 100, 4000), () => this.#simulation.heal())
    } else {
      const loss = pick(random, [0, 0.02, 0.1]) ?? 0
      this.#simulation.conditions({ loss, duplication: loss, reordering: loss * 2 })
    }
    this.#simulation.after(integerBetween(random, 300, 2500), () => this.#nemesis())
  }

  #crash(name: string): void {
    const { random } = this.#simulation
    // One at a time: two replicas of three are promised to survive one loss.
    if (this.#cluster.running.length < peers.length) {
      return
    }
    const wiped = random.next() < 0.3 && this.#isSettled()
    this.#paused.delete(name)
    this.#cluster.crash(name, { machine: random.next() < 0.3, wiped })
    this.#simulation.after(integerBetween(random, 100, 4000), () => this.#restart(name))
  }

  #restart(name: string): void {
    if (!this.#simulation.isRunning(name)) {
      // It may be crashed again before it has come up.
      this.#cluster.start(name).catch(() => {})
    }
  }

  #pause(name: string): void {
    this.#paused.add(name)
    this.#simulation.pause(name)
    this.#simulation.after(integerBetween(this.#simulation.random, 50, 3000), () => {
      this.#paused.delete(name)
      this.#simulation.resume(name)
    })
  }

  /** Every document is on all of its replicas, so one disk may be lost. */
  #isSettled(): boolean {
    const views = peers.map((name) => this.#cluster.peer(name).membership)
    const [first] = views
    return (
      this.#paused.size === 0 &&
      views.every(({ view, settled }) => {
        return view?.number === first?.view?.number && settled === view?.number
      }) &&
      first?.view?.members.length === peers.length
    )
  }

  async #recover(): Promise<void> {
    this.#simulation.heal()
    this.#simulation.conditions({ loss: 0, duplication: 0, reordering: 0 })
    for (const name of peers) {
      this.#simulation.resume(name)
      this.#restart(name)
    }
    await this.#cluster.ready(peers, quietMs)
    const isDone = (): boolean => this.calls.every(({ acknowledged }) => acknowledged)
    if (!(await this.#simulation.until(isDone, quietMs))) {
      const { tag, key } = this.calls.find(({ acknowledged }) => !acknowledged) ?? {}
      throw new Error(`${tag} of ${key} was never answered`)
    }
  }

  async #check(): Promise<void> {
    for (const key of keys) {
      const values = await Promise.all(
        peers.map((name) => this.#simulation.wait(this.#valueAt(name, key)))
      )
      const [first = '{}'] = values
      const other = values.findIndex((value) => value !== first)
      if (other > 0) {
        throw new Error(`${key}: ${peers[0]} reads ${first}, ${peers[other]} ${values[other]}`)
      }
      this.#checkCounts(key, JSON.parse(first) as Value) // made below
    }
  }

  #checkCounts(key: string, { hits, tags, total }: Value): void {
    const counts = new Map(hits)
    for (const { key: own, tag, acknowledged } of this.calls) {
      const count = counts.get(tag) ?? 0
      if (own === key && count > 1) {
        throw new Error(`${tag} of ${key} counted ${count} times`)
      }
      if (own === key && acknowledged && (count === 0 || !tags.includes(tag))) {
        throw new Error(`${tag} of ${key} was acknowledged and is lost`)
      }
    }
    const sum = hits.reduce((all, [, count]) => all + count, 0)
    if (sum !== total) {
      throw new Error(`the total of ${key} is ${total}, not ${sum}`)
    }
  }

  async #valueAt(name: string, key: string): Promise<string> {
    const { value } = await this.#cluster.peer(name).agent(tally, key).state()
    const { hits, tags, total } = value
    const sorted: Value = {
      hits: Object.entries(hits).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      tags: [...tags].toSorted(),
      total
    }
    return JSON.stringify(sorted)
  }
}

interface Value {
  readonly hits: readonly (readonly [tag: string, count: number])[]
  readonly tags: readonly string[]
  readonly total: number
}
