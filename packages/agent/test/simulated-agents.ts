import { z } from 'zod'
import { counter } from '@murmuration/crdt'
import { createRegisters } from '@murmuration/consensus'
import { createMembership } from '@murmuration/membership'
import { createState } from '@murmuration/state'
import type { State } from '@murmuration/state'
import type { AgentRecord } from '@murmuration/interface'
import type { Simulation } from '@murmuration/testkit'
import { createAgents, defineAgent } from '../src/index.ts'
import type { Agents, AgentType } from '../src/index.ts'

export const account = defineAgent({
  type: 'account',
  state: { visits: counter() },
  strong: { quota: z.number().min(0).default(10), owner: z.string().optional() },
  actions: {}
})
export const plain = defineAgent({ type: 'plain', state: { visits: counter() }, actions: {} })

interface Peer {
  readonly agents: Agents
  readonly state: State
  readonly ownerOf: (key: string, type?: { record(key: string): AgentRecord }) => string | undefined
  stop(): Promise<void>
}

export async function start(
  simulation: Simulation,
  names: readonly string[],
  types: readonly unknown[] | ((name: string) => readonly unknown[]) = [account, plain]
): Promise<Peer[]> {
  const parts = names.map((name) => {
    const { rpc, store, clock, random, links } = simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      {
        cluster: 'test',
        found: name === 'a',
        contacts: () => ['a'],
        reporters: ['state', 'registers']
      }
    )
    const registers = createRegisters({ rpc, membership, store, clock, random })
    const state = createState({ rpc, membership, store, clock, random, registers })
    const agents = createAgents(
      { rpc, membership, state, clock, random },
      // Their fields do not matter here.
      { types: (typeof types === 'function' ? types(name) : types) as AgentType[] }
    )
    const ready = Promise.resolve(membership.start()).then(async () => {
      await state.start()
      await registers.start()
      await agents.start()
    })
    const ownerOf: Peer['ownerOf'] = (key, type = account) =>
      state.placement()?.ownerOf(type.record(key))?.peer
    const stop = async (): Promise<void> => {
      await agents.stop()
      await registers.stop()
      await state.stop()
      await membership.stop()
    }
    return { membership, agents, state, ownerOf, ready, stop }
  })
  await simulation.wait(Promise.all(parts.map(({ ready }) => ready)))
  const isWhole = await simulation.until(
    () => parts.every(({ membership }) => membership.view?.members.length === names.length),
    20_000
  )
  if (!isWhole) throw new Error('the peers did not come together')
  return parts
}
