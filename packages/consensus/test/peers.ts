import { createMembership } from '@murmuration/membership'
import type { Simulation } from '@murmuration/testkit'
import { createRegisters } from '../src/index.ts'
import type { RegistersService } from '../src/index.ts'

/** One life of a peer with registers, on agreed views. */
export interface Peer {
  readonly name: string
  readonly membership: ReturnType<typeof createMembership>
  readonly registers: RegistersService
  readonly ready: Promise<void>
}

export function startPeer(simulation: Simulation, name: string): Peer {
  const { rpc, store, clock, random, links } = simulation.node(name)
  const membership = createMembership(
    { rpc, store, clock, random, discovery: links },
    { cluster: 'test', found: name === 'a', contacts: () => ['a', 'b'], reporters: ['registers'] }
  )
  const registers = createRegisters({ rpc, membership, store, clock, random })
  const ready = Promise.resolve(membership.start()).then(() => registers.start())
  return { name, membership, registers, ready }
}

/** Starts peers; resolves when all are members and the view is settled. */
export async function start(simulation: Simulation, names: readonly string[]): Promise<Peer[]> {
  const peers = names.map((name) => startPeer(simulation, name))
  await simulation.wait(Promise.all(peers.map(({ ready }) => ready)))
  const isWhole = (): boolean =>
    peers.every(({ membership }) => membership.view?.members.length === names.length) &&
    isSettled(simulation, peers)
  if (!(await simulation.until(isWhole, 20_000))) {
    throw new Error('the peers did not come together')
  }
  return peers
}

export function isSettled(simulation: Simulation, peers: readonly Peer[]): boolean {
  return peers
    .filter(({ name }) => simulation.isRunning(name))
    .every(({ membership }) => membership.settled === membership.view?.number)
}
