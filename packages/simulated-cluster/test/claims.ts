import { Session, defineAgent } from '@murmuration/agent'
import { counter, map } from '@murmuration/crdt'
import type { Epoch, IdempotencyKey } from '@murmuration/interface'
import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { z } from 'zod'
import type { Mutants } from '../../state/src/core/mutants.ts'
import { StateService } from '../../state/src/state.ts'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'

const peers = ['p0', 'p1', 'p2', 'p3']
const keys = ['x', 'y']
const faultsMs = 7000
const callTimeoutMs = 3000
const quietMs = 60_000
/** Any two clocks differ by less than the 5 % that leases allow for. */
const driftMax = 0.024

interface Call {
  readonly key: string
  readonly tag: string
  isAcknowledged: boolean
}

/** What is known of one agent at each moment, by everybody together. */
interface Ledger {
  /** The greatest epoch under which anything took effect. */
  epoch: Epoch
  /** Calls that were acknowledged. */
  acknowledged: number
  /** The greatest version of the strong part that was acknowledged, and how many were. */
  strongVersion: number
  strongUpdates: number
  /** Who claimed under which epoch. */
  readonly claims: Map<string, string>
}

export interface ClaimsResult {
  readonly acknowledged: number
  readonly claimed: number
  readonly effects: number
}

/** Rules of ownership that a mutant breaks. */
export interface ClaimsMutants extends Mutants {
  /** An owner acts whether or not it holds its lease. */
  readonly ignoreLease?: boolean
}

/**
 * Who owns an agent, while peers are killed, stopped past their leases, cut off and wiped, agents are
 * claimed and moved, and clocks drift. No two peers are given one epoch; once an owner has had an
 * effect, no owner of an older epoch has one; what was acknowledged is seen by every later call; and
 * each keyed update counts once.
 */
export async function runClaims(
  simulation: Simulation,
  { ignoreLease, ...mutants }: ClaimsMutants = {}
): Promise<ClaimsResult> {
  for (const name of peers) {
    simulation.drift(name, (simulation.random.next() - 0.5) * 2 * driftMax)
  }
  const run = new ClaimsRun(simulation)
  const cluster = await createSimulatedCluster({
    simulation,
    peers,
    agents: [run.gate],
    adapt: (platform) => ({
      ...platform,
      openState: (components) => {
        if (ignoreLease === true) {
          // The same object is asked by the state and by the agents.
          const lease = components.leases?.of(run.gate.id('x'))
          Object.defineProperty(lease, 'held', { get: () => true })
        }
        return new StateService(components, {}, mutants)
      }
    })
  })
  await run.go(cluster)
  return run.result
}

function older(a: Epoch, b: Epoch): boolean {
  return a.view < b.view || (a.view === b.view && a.boot < b.boot)
}

/** A handler is an effect in the world outside of the cluster: when it runs, it has happened. */
function defineGate(effect: (key: string, epoch: Epoch, what: string) => void) {
  return defineAgent({
    type: 'gate',
    state: { hits: map(counter()), total: counter() },
    strong: { value: z.number().default(0) },
    actions: {
      add: {
        input: z.string(),
        output: z.number(),
        run: ({ input, state, key, epoch }) => {
          effect(key, epoch, `the handler for ${input}`)
          state.hits.get(input).increment()
          state.total.increment()
          return state.total.value
        }
      }
    }
  })
}

class ClaimsRun {
  readonly gate: ReturnType<typeof defineGate>
  readonly #calls: Call[] = []
  readonly #simulation: Simulation
  readonly #session: Session
  readonly #ledgers = new Map<string, Ledger>()
  readonly #paused = new Set<string>()
  #hasFaults = true
  #violation: Error | undefined
  #effects = 0
  #claimed = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
    this.#session = new Session(`client of seed ${simulation.seed}`)
    this.gate = defineGate((key, epoch, what) => this.#effect(key, epoch, what))
    for (const key of keys) {
      const epoch = { view: 0, boot: 0 }
      const counts = { acknowledged: 0, strongVersion: 0, strongUpdates: 0 }
      this.#ledgers.set(key, { epoch, ...counts, claims: new Map() })
    }
  }

  get result(): ClaimsResult {
    const acknowledged = this.#calls.filter((call) => call.isAcknowledged).length
    return { acknowledged, claimed: this.#claimed, effects: this.#effects }
  }

  async go(cluster: SimulatedCluster): Promise<void> {
    const steps = [
      () => this.#client(cluster),
      () => this.#claimer(cluster),
      () => this.#strongClient(cluster),
      () => this.#nemesis(cluster)
    ]
    for (const step of steps) step()
    await this.#simulation.until(() => this.#violation !== undefined, faultsMs)
    this.#hasFaults = false
    this.#rethrow()
    await this.#recover(cluster)
    this.#rethrow()
    await this.#check(cluster)
  }

  #rethrow(): void {
    if (this.#violation !== undefined) throw this.#violation
  }

  #fail(message: string): void {
    this.#violation ??= new Error(message)
  }

  #ledger(key: string): Ledger {
    const ledger = this.#ledgers.get(key)
    if (ledger === undefined) throw new Error(`no agent ${key}`)
    return ledger
  }

  /** Something happened under this epoch, and nothing may under an older one any more. */
  #effect(key: string, epoch: Epoch, what: string): void {
    const ledger = this.#ledger(key)
    this.#effects++
    if (older(epoch, ledger.epoch)) {
      const [was, is] = [epoch, ledger.epoch].map(({ view, boot }) => `${view}.${boot}`)
      this.#fail(`${what} of ${key} took effect in epoch ${was} after something in ${is}`)
    } else {
      ledger.epoch = { ...epoch }
    }
  }

  /** A new call now and then, of which several are under way. */
  #client(cluster: SimulatedCluster): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) return
    const key = pick(random, keys) ?? 'x'
    const call = { key, tag: `t${this.#calls.length}`, isAcknowledged: false }
    this.#calls.push(call)
    this.#send(cluster, call, this.#session.open())
    this.#simulation.after(integerBetween(random, 20, 120), () => this.#client(cluster))
  }

  /** Through a random peer, again and again until it is answered. */
  #send(cluster: SimulatedCluster, call: Call, key: IdempotencyKey, isFirst = true): void {
    const { random } = this.#simulation
    const again = (error: unknown): void => {
      this.#simulation.log(`${call.tag} of ${call.key} fails: ${String(error)}`)
      const delayMs = integerBetween(random, 20, 400)
      this.#simulation.after(delayMs, () => this.#send(cluster, call, key, false))
    }
    const from = pick(random, cluster.running)
    if (from === undefined) return again('nobody runs')
    const ledger = this.#ledger(call.key)
    const before = ledger.acknowledged
    const options = { timeoutMs: callTimeoutMs, idempotencyKey: this.#session.refresh(key) }
    const ask = (): Promise<number> =>
      cluster.peer(from).agent(this.gate, call.key).call('add', call.tag, options)
    this.#asking(cluster, from, ask).then((total) => {
      this.#simulation.log(`${call.tag} of ${call.key} through ${from} counts ${total}`)
      call.isAcknowledged = true
      ledger.acknowledged++
      this.#session.confirm(key.sequence)
      // A repetition is given the answer of the first run, which may be older than `before`.
      if (isFirst && total <= before) {
        this.#fail(`${call.tag} of ${call.key} counts ${total}, after ${before} were acknowledged`)
      }
    }, again)
  }

  /** Rejects also when the peer dies that was asked. */
  #asking<T>(cluster: SimulatedCluster, from: string, ask: () => Promise<T>): Promise<T> {
    const { life } = this.#simulation.node(from)
    const lives = (): boolean =>
      cluster.isRunning(from) && this.#simulation.node(from).life === life
    return new Promise<T>((resolve, reject) => {
      const watch = (): void => {
        if (!lives()) reject(new Error('its peer died'))
        else this.#simulation.after(callTimeoutMs / 3, watch)
      }
      const cancel = this.#simulation.after(callTimeoutMs / 3, watch)
      ask().then(resolve, reject).finally(cancel)
    })
  }

  /** Claims now and then, where placement says or against it. */
  #claimer(cluster: SimulatedCluster): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) return
    this.#simulation.after(integerBetween(random, 100, 600), () => this.#claimer(cluster))
    const from = pick(random, cluster.running)
    const key = pick(random, keys) ?? 'x'
    if (from === undefined || this.#paused.has(from)) return
    const { life } = this.#simulation.node(from)
    const ledger = this.#ledger(key)
    const before = { ...ledger.epoch }
    const here = random.next() < 0.5
    const claim = cluster.peer(from).registry.claim(this.gate.record(key), { here })
    claim.then(
      (result) => {
        if (result.status !== 'claimed' || this.#simulation.node(from).life !== life) return
        const { epoch } = result
        const name = `${epoch.view}.${epoch.boot}`
        this.#simulation.log(`${from} claimed ${key} in ${name}`)
        this.#claimed++
        const other = ledger.claims.get(name)
        if (other !== undefined && other !== from) {
          this.#fail(`${from} and ${other} both claimed ${key} in epoch ${name}`)
        }
        ledger.claims.set(name, from)
        if (older(epoch, before)) {
          this.#fail(`${from} claimed ${key} in ${name}, after ${before.view}.${before.boot}`)
        }
      },
      () => {}
    )
  }

  /** Counts in the strong part, by compare and set. */
  #strongClient(cluster: SimulatedCluster): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) return
    this.#simulation.after(integerBetween(random, 50, 300), () => this.#strongClient(cluster))
    const from = pick(random, cluster.running)
    const key = pick(random, keys) ?? 'x'
    if (from === undefined) return
    const ledger = this.#ledger(key)
    const { strongVersion } = ledger
    const epochBefore = this.#claimedEpoch(ledger)
    const count = (draft: { value: number }): void => void draft.value++
    const options = { consistency: 'strong', timeoutMs: callTimeoutMs } as const
    const ask = () => cluster.peer(from).agent(this.gate, key).update(count, options)
    this.#asking(cluster, from, ask).then(
      ({ version, epoch, duplicate }) => {
        const number = version.register ?? 0
        this.#simulation.log(
          `strong ${number} of ${key} through ${from} in ${epoch.view}.${epoch.boot}` +
            (duplicate ? ', known' : '')
        )
        if (!duplicate && number <= strongVersion) {
          this.#fail(`the strong part of ${key} went from ${strongVersion} to ${number}`)
        }
        if (older(epoch, epochBefore)) {
          this.#fail(
            `a strong update of ${key} in ${epoch.view}.${epoch.boot} after a claim in ` +
              `${epochBefore.view}.${epochBefore.boot}`
          )
        }
        ledger.strongVersion = Math.max(ledger.strongVersion, number)
        ledger.strongUpdates++
      },
      () => {}
    )
  }

  /** The greatest epoch that a claim was told of. */
  #claimedEpoch({ claims }: Ledger): Epoch {
    let greatest: Epoch = { view: 0, boot: 0 }
    for (const name of claims.keys()) {
      const [view = 0, boot = 0] = name.split('.').map(Number)
      if (older(greatest, { view, boot })) greatest = { view, boot }
    }
    return greatest
  }

  #nemesis(cluster: SimulatedCluster): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) return
    const name = pick(random, cluster.running)
    const kind = random.next()
    if (name === undefined) {
      // Nobody to harm.
    } else if (kind < 0.2) {
      this.#crash(cluster, name)
    } else if (kind < 0.45) {
      this.#pause(name, integerBetween(random, 50, 4500))
    } else if (kind < 0.75) {
      this.#takeAway(cluster, pick(random, keys) ?? 'x')
    } else if (kind < 0.92) {
      this.#split(peers.filter(() => random.next() < 0.4))
    } else {
      const loss = pick(random, [0, 0.02, 0.1]) ?? 0
      this.#simulation.conditions({ loss, duplication: loss, reordering: loss * 2 })
    }
    this.#simulation.after(integerBetween(random, 200, 1800), () => this.#nemesis(cluster))
  }

  #split(side: readonly string[]): void {
    const others = peers.filter((one) => !side.includes(one))
    this.#simulation.split(side, others)
    const healMs = integerBetween(this.#simulation.random, 100, 3500)
    this.#simulation.after(healMs, () => this.#simulation.heal())
  }

  /** Moves an agent, and its owner does not hear of it: it is cut off, or stands still. */
  #takeAway(cluster: SimulatedCluster, key: string): void {
    const { random } = this.#simulation
    const [asker, target] = cluster.running.toSorted(() => random.next() - 0.5)
    if (asker === undefined || target === undefined) return
    const { placement } = cluster.peer(asker)
    const id = this.gate.id(key)
    const owner = placement.ownerOf(id)
    if (owner === undefined || owner === asker || owner === target) return
    const delayMs = integerBetween(random, 0, 30)
    this.#simulation.after(delayMs, () => {
      const how = random.next()
      if (how < 0.3) this.#split([owner])
      else if (how < 0.6) this.#cutOffButFrom(owner)
      else if (this.#simulation.isRunning(owner)) {
        this.#pause(owner, integerBetween(random, 300, 3500))
      }
    })
    placement.move(id, target, { timeoutMs: 2000 }).catch(() => {})
  }

  /** All but one other peer. */
  #cutOffButFrom(name: string): void {
    const { random } = this.#simulation
    const left = pick(
      random,
      peers.filter((one) => one !== name)
    )
    const others = peers.filter((one) => one !== name && one !== left)
    this.#simulation.blockAll([name], others)
    this.#simulation.blockAll(others, [name])
    this.#simulation.after(integerBetween(random, 100, 3500), () => this.#simulation.heal())
  }

  #crash(cluster: SimulatedCluster, name: string): void {
    const { random } = this.#simulation
    // One at a time: two replicas of three are promised to survive one loss.
    if (cluster.running.length < peers.length) return
    const wiped = random.next() < 0.3 && this.#isSettled(cluster)
    this.#paused.delete(name)
    cluster.crash(name, { machine: random.next() < 0.3, wiped })
    this.#simulation.after(integerBetween(random, 100, 3500), () => this.#restart(cluster, name))
  }

  #restart(cluster: SimulatedCluster, name: string): void {
    // It may be crashed again before it has come up.
    if (!this.#simulation.isRunning(name)) cluster.start(name).catch(() => {})
  }

  #pause(name: string, forMs: number): void {
    this.#paused.add(name)
    this.#simulation.pause(name)
    this.#simulation.after(forMs, () => {
      this.#paused.delete(name)
      this.#simulation.resume(name)
    })
  }

  /** Every document is on all of its replicas, so one disk may be lost. */
  #isSettled(cluster: SimulatedCluster): boolean {
    const views = peers.map((name) => cluster.peer(name).membership)
    const number = views[0]?.view?.number
    return (
      this.#paused.size === 0 &&
      views[0]?.view?.members.length === peers.length &&
      views.every(({ view, settled }) => view?.number === number && settled === number)
    )
  }

  async #recover(cluster: SimulatedCluster): Promise<void> {
    this.#simulation.heal()
    this.#simulation.conditions({ loss: 0, duplication: 0, reordering: 0 })
    for (const name of peers) {
      this.#simulation.resume(name)
      this.#restart(cluster, name)
    }
    await cluster.ready(peers, quietMs)
    const isDone = (): boolean =>
      this.#violation !== undefined || this.#calls.every((call) => call.isAcknowledged)
    if (!(await this.#simulation.until(isDone, quietMs))) {
      const { tag, key } = this.#calls.find((call) => !call.isAcknowledged) ?? {}
      throw new Error(`${tag} of ${key} was never answered`)
    }
  }

  async #check(cluster: SimulatedCluster): Promise<void> {
    for (const key of keys) {
      const ref = cluster.peer('p0').agent(this.gate, key)
      const { value } = await this.#simulation.wait(ref.state())
      for (const { key: own, tag } of this.#calls) {
        const count = value.hits[tag] ?? 0
        if (own === key && count !== 1) throw new Error(`${tag} of ${key} counts ${count} times`)
      }
      // Some are still under way, and may come to be acknowledged while this is read.
      const { strongUpdates } = this.#ledger(key)
      const strong = await this.#simulation.wait(ref.state({ consistency: 'strong' }))
      const { value: counted } = strong.value
      if (counted < strongUpdates || counted !== (strong.version.register ?? 0)) {
        throw new Error(
          `the strong part of ${key} counts ${counted} in version ${strong.version.register}, ` +
            `and ${strongUpdates} were acknowledged`
        )
      }
    }
  }
}
