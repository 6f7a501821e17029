/**
 * Whole clusters of agents in one process: real peers on simulated machines and a simulated network,
 * in virtual time and from one seed. For testing your own agents under faults.
 *
 * @packageDocumentation
 */
import type { AgentType } from '@murmuration/agent'
import type { Cluster, Platform, PlatformClusterInit } from '@murmuration/cluster'
import type { CrashOptions, Simulation } from '@murmuration/testkit'
import { SimulatedPeers } from './simulated-peers.ts'

/** Options of {@link createSimulatedCluster}. */
export interface SimulatedClusterInit {
  /** Where the peers run; its seed decides everything random. */
  readonly simulation: Simulation
  /** Names of the peers, which are also their PeerIds. All start, the first one founds the cluster. */
  readonly peers: readonly string[]
  /** Agent types; equal on all peers. */
  readonly agents: readonly AgentType[]
  /** @default 'simulated' */
  readonly name?: string
  /** Virtual milliseconds within which all must be ready. @default 30,000 */
  readonly readyMs?: number
  /** Replaces parts that a peer stands on by others, each time that it starts. @default none */
  readonly adapt?: (platform: Platform) => Platform
  /** What differs from peer to peer, such as labels and roles. @default nothing */
  readonly optionsOf?: (peer: string) => Partial<Omit<PlatformClusterInit, 'name' | 'agents'>>
}

/** Peers of one cluster on one simulation. */
export interface SimulatedCluster {
  readonly simulation: Simulation
  /** Names of the peers that run. */
  readonly running: readonly string[]
  /** The present life of a peer. Throws where it is down, or has not come up yet. */
  peer(name: string): Cluster
  isRunning(name: string): boolean
  /** Starts a peer, anew after a crash; it runs when the promise resolves, in virtual time. */
  start(name: string): Promise<Cluster>
  /** Ends a peer at once, as `simulation.crash` does. Its disk stays, unless `wiped`. */
  crash(name: string, options?: CrashOptions & { readonly wiped?: boolean }): void
  /**
   * Lets time pass until exactly these peers are in one view, ready, and every document is on all of
   * its replicas: from then on any one disk may be lost. @default all that run
   */
  ready(names?: readonly string[], withinMs?: number): Promise<void>
}

/**
 * Starts a cluster and lets time pass until all of its peers are ready, with all copies made.
 *
 * @example
 * ```ts
 * const simulation = createSimulation({ seed: 7 })
 * const cluster = await createSimulatedCluster({ simulation, peers: ['a', 'b', 'c'], agents: [counter] })
 * await simulation.wait(cluster.peer('a').agent(counter, 'x').call('add', 1))
 * cluster.crash('b')
 * ```
 */
export async function createSimulatedCluster(
  init: SimulatedClusterInit
): Promise<SimulatedCluster> {
  const cluster = new SimulatedPeers(init)
  await cluster.begin()
  return cluster
}
