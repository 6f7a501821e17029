import { createClusterOn } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { InvalidParametersError, PeerUnavailableError } from '@murmuration/interface'
import type { CrashOptions, Simulation } from '@murmuration/testkit'
import type { SimulatedCluster, SimulatedClusterInit } from './index.ts'
import { simulatedPlatform } from './simulated-platform.ts'

const readyMsDefault = 30_000

export class SimulatedPeers implements SimulatedCluster {
  readonly simulation: Simulation
  readonly #init: SimulatedClusterInit
  readonly #running = new Map<string, Cluster>()
  /** Peers that have founded or joined once: their disk knows the cluster. */
  readonly #begun = new Set<string>()

  constructor(init: SimulatedClusterInit) {
    if (init.peers.length === 0 || new Set(init.peers).size < init.peers.length) {
      throw new InvalidParametersError('a simulated cluster needs peers of different names')
    }
    this.simulation = init.simulation
    this.#init = init
  }

  get running(): readonly string[] {
    return [...this.#running.keys()].filter((name) => this.isRunning(name)).toSorted()
  }

  /** Starts all peers and waits until they are ready. */
  async begin(): Promise<void> {
    const { peers, readyMs = readyMsDefault } = this.#init
    await this.simulation.wait(Promise.all(peers.map((name) => this.start(name))), readyMs)
    await this.ready(peers, readyMs)
  }

  peer(name: string): Cluster {
    const cluster = this.#running.get(name)
    if (cluster === undefined || !this.isRunning(name)) {
      throw new PeerUnavailableError(`${name} is down`)
    }
    return cluster
  }

  isRunning(name: string): boolean {
    return this.#running.has(name) && this.simulation.isRunning(name)
  }

  async start(name: string): Promise<Cluster> {
    const { simulation } = this
    if (simulation.isRunning(name)) {
      throw new InvalidParametersError(`${name} is running`)
    }
    const { peers, agents, optionsOf, adapt, name: cluster = 'simulated' } = this.#init
    const node = simulation.node(name)
    const isFounder = this.#begun.size === 0
    this.#begun.add(name)
    const contacts = (): readonly string[] => {
      return [...new Set([...peers, ...this.#begun])].filter((other) => other !== name)
    }
    const made = simulatedPlatform(node, { contacts, found: isFounder })
    const platform = adapt?.(made) ?? made
    const started = await createClusterOn(platform, { ...optionsOf?.(name), name: cluster, agents })
    this.#running.set(name, started)
    return started
  }

  crash(name: string, options: CrashOptions & { readonly wiped?: boolean } = {}): void {
    this.#running.delete(name)
    this.simulation.crash(name, options)
    if (options.wiped === true) {
      this.simulation.wipe(name)
    }
  }

  async ready(names: readonly string[] = this.running, withinMs = readyMsDefault): Promise<void> {
    const isReady = await this.simulation.until(() => this.#isOne(names), withinMs)
    if (!isReady) {
      const views = names.map((name) => {
        const { view, settled } = this.#running.get(name)?.membership ?? {}
        const members = view?.members.map(({ peer }) => peer).join(' ')
        return `${name}: view ${view?.number} [${members}], settled ${settled}`
      })
      const { seed } = this.simulation
      throw new Error(`seed ${seed}: not in one view in ${withinMs} ms\n${views.join('\n')}`)
    }
    const waits = names.map((name) => this.peer(name).ready())
    await this.simulation.wait(Promise.all(waits), withinMs)
  }

  /** Exactly these peers are in one settled view. */
  #isOne(names: readonly string[]): boolean {
    const wanted = names.toSorted().join()
    const memberships = names.map((name) => this.#running.get(name)?.membership)
    const number = memberships[0]?.view?.number
    return memberships.every((membership) => {
      const { view, settled } = membership ?? {}
      const members = view?.members.map(({ peer }) => peer).toSorted()
      return view?.number === number && settled === number && members?.join() === wanted
    })
  }
}
