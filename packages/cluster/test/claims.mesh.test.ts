import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import type { AgentRecord, ClaimResult } from '@murmuration/interface'

const job = defineAgent({
  type: 'job',
  state: { runs: counter() },
  actions: {
    run: {
      input: z.null(),
      output: z.number(),
      run({ state }) {
        state.runs.increment(1)
        return state.runs.value
      }
    }
  }
})

/** Unknown and unavailable say to ask again. */
async function claimed(peer: Cluster, record: AgentRecord): Promise<ClaimResult> {
  for (;;) {
    const result = await peer.registry.claim(record, { here: true })
    if (result.status !== 'unknown' && result.status !== 'unavailable') return result
  }
}

describe('claims in a cluster', () => {
  let peers: Cluster[] = []
  beforeAll(async () => {
    const init: ClusterInit = { name: 'claims', agents: [job], listen: ['/ip4/127.0.0.1/tcp/0'] }
    const first = await createCluster(init)
    const others = await Promise.all(
      [1, 2, 3, 4].map(() => createCluster({ ...init, bootstrap: first.addresses }))
    )
    peers = [first, ...others]
    await Promise.all(peers.map((peer) => peer.ready()))
  })
  afterAll(() => Promise.all(peers.map((peer) => peer.stop())))
  const ownerOf = (id: string): Cluster => {
    const owner = peers.find(({ placement, peerId }) => placement.ownerOf(id) === peerId)
    if (owner === undefined) throw new Error(`nobody owns ${id}`)
    return owner
  }
  const otherThan = (peer: Cluster): Cluster => peers.find((other) => other !== peer) ?? peer

  it('of fifty for one agent at once, each to run it itself, grant exactly one', async () => {
    const record = job.record('single')
    const claims = peers.flatMap((peer) =>
      Array.from({ length: 10 }, async () => ({
        peer: peer.peerId,
        result: await claimed(peer, record)
      }))
    )
    const results = await Promise.all(claims)
    const owners = new Set(
      results.filter(({ result }) => result.status === 'claimed').map(({ peer }) => peer)
    )
    expect(owners.size).toBe(1)
    const [owner] = owners
    for (const { peer, result } of results) {
      if (result.status === 'conflict') expect(result.owner).toBe(owner)
      else expect([peer, result.status]).toEqual([owner, 'claimed'])
    }
    expect(await otherThan(peers[0]!).agent(job, 'single').call('run', null)).toBe(1)
    expect(ownerOf(record.id).peerId).toBe(owner)
  })

  it('overrule placement, keep the state, and have a greater epoch', async () => {
    const id = job.id('mine')
    const before = ownerOf(id)
    await before.agent(job, 'mine').call('run', null)
    const { epoch } = await before.agent(job, 'mine').state()
    const claimant = otherThan(before)
    expect(await claimant.registry.claim(job.record('mine'))).toMatchObject({ status: 'conflict' })
    before.agents.end(id)
    const result = await claimed(claimant, job.record('mine'))
    expect(result.status).toBe('claimed')
    if (result.status === 'claimed') expect(result.epoch.view).toBeGreaterThan(epoch?.view ?? 0)
    expect(claimant.agents.epochOf(id)).toBeDefined()
    expect(await before.agent(job, 'mine').call('run', null)).toBe(2)
  })

  it('of who registered first stand until that one gives up, and then go to another', async () => {
    const record = job.record('kept')
    const first = ownerOf(record.id)
    const second = otherThan(first)
    expect((await first.registry.register(record)).status).toBe('claimed')
    // Not running is not given up.
    first.agents.end(record.id)
    const refused = await second.registry.claim(record, { here: true })
    expect(refused).toMatchObject({ status: 'conflict', owner: first.peerId })
    expect(await second.registry.unregister(record.id)).toBe(true)
    expect(await claimed(second, record)).toMatchObject({ status: 'claimed' })
  })

  it('and what was registered survive the owner, whose agents others may claim then', async () => {
    const record = job.record('orphan')
    const labels = { kind: 'orphan' }
    const victim = peers.at(-1) ?? peers[0]!
    const heir = peers[0]!
    expect(await claimed(victim, record)).toMatchObject({ status: 'claimed' })
    const registered = await victim.registry.register({ ...record, labels, metadata: { x: '1' } })
    expect(registered).toMatchObject({ status: 'claimed' })
    await victim.stop()
    peers = peers.filter((peer) => peer !== victim)
    while (heir.members().length > 4) await new Promise((resolve) => setTimeout(resolve, 20))
    for (const peer of peers) {
      const described = await peer.registry.describe(record.id)
      expect(described?.labels).toEqual(labels)
      expect(described?.metadata).toEqual({ x: '1' })
    }
    expect(await claimed(heir, record)).toMatchObject({ status: 'claimed' })
    expect((await heir.registry.describe(record.id))?.labels).toEqual(labels)
  })
})
