import { counter, map } from '@murmuration/crdt'
import { createMembership } from '@murmuration/membership'
import { runSeeds } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import type { Membership } from '@murmuration/interface'
import { expect, test } from 'vitest'
import { createState } from '../src/index.ts'
import type { State } from '../src/index.ts'
import { pick } from './world.ts'

const schema = { hits: map(counter()) }
const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const

interface Peer {
  readonly name: string
  membership: Membership
  state: State
}

async function start(simulation: Simulation, name: string): Promise<Peer> {
  const { rpc, store, clock, random, links } = simulation.node(name)
  const membership = createMembership(
    { rpc, store, clock, random, discovery: links },
    { cluster: 'test', found: name === 'a', contacts: () => ['a', 'b'] }
  )
  const state = createState({ rpc, membership, store, clock, random })
  void Promise.resolve(membership.start()).then(() => state.start())
  return { name, membership, state }
}

/** One update, repeated at whoever owns the document until it is acknowledged. */
async function update(simulation: Simulation, peers: readonly Peer[], at: number): Promise<void> {
  for (let attempt = 0; attempt < 60; attempt++) {
    // A peer that dies never answers.
    const late = new Promise<'late'>((resolve) => {
      simulation.after(2000, () => resolve('late'))
    })
    if ((await Promise.race([late, attemptUpdate(simulation, peers, at)])) === 'done') {
      return
    }
    await new Promise<void>((resolve) => {
      simulation.after(100, resolve)
    })
  }
  throw new Error(`update ${at} was never acknowledged`)
}

async function attemptUpdate(
  simulation: Simulation,
  peers: readonly Peer[],
  at: number
): Promise<'done' | 'failed'> {
  const running = peers.filter(({ name }) => simulation.isRunning(name))
  try {
    const any = pick(simulation.random, running)
    const owner = any.state.placement()?.ownerOf(record)?.peer
    const peer = running.find(({ name }) => name === owner) ?? any
    const document = await peer.state.own(record)
    const key = { session: 's', sequence: at, lowest: at }
    const { draft, operations } = document.document.draft(schema)
    draft.hits.get(`k${at}`).increment()
    await document.commit(operations, { key, timeoutMs: 1000 })
    return 'done'
  } catch {
    // Not the owner, not ready, or no answer: asked again with the same key.
    return 'failed'
  }
}

test('with agreed views, the loss of any single peer loses no update and doubles none', async () => {
  await runSeeds({
    count: 12,
    run: async (simulation) => {
      const peers: Peer[] = []
      for (const name of ['a', 'b', 'c', 'd', 'e']) {
        peers.push(await start(simulation, name))
        await simulation.run(300)
      }
      const [a] = peers as [Peer]
      const whole = await simulation.until(() => a.membership.view?.members.length === 5, 20_000)
      expect(whole).toBe(true)
      await simulation.run(2000)
      let sent = 0
      let done = 0
      const client = (async () => {
        for (; sent < 60; sent++) {
          await update(simulation, peers, sent)
          done++
        }
      })()
      await simulation.run(simulation.random.next() * 100)
      const owner = a.state.placement()!.ownerOf(record)!.peer
      const victim =
        simulation.random.next() < 0.7 ? owner : pick(simulation.random, peers.slice(1)).name
      simulation.crash(victim, { machine: simulation.random.next() < 0.5 })
      simulation.wipe(victim)
      await simulation.wait(client)
      expect(done).toBe(60)
      const reader = peers.find(({ name }) => simulation.isRunning(name))!
      const reading = await simulation.wait(reader.state.read(record))
      const { hits } = reading.document.value(schema)
      expect(Object.values(hits)).toEqual(Array.from({ length: 60 }, () => 1))
    }
  })
})
