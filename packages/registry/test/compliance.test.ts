import { describe, expect, it } from 'vitest'
import type { AgentRecord, Registry } from '@murmuration/interface'
import { createLocalRegistry } from '@murmuration/registry'
import { createMemoryStore } from '@murmuration/storage'
import { registryCases } from '@murmuration/testkit'
import type { RegistryUnderTest } from '@murmuration/testkit'
import { Agents, Network, peers, startRegistry } from './fake-peers.ts'

const recordOf = (id: string): AgentRecord => ({
  id,
  shardKey: `shard of ${id}`,
  placement: 'hash',
  replicas: 3
})
const agent = (key: string): AgentRecord => recordOf(`default/station/${key}`)

const backends: Readonly<Record<string, () => Promise<RegistryUnderTest>>> = {
  local: async () => {
    const registry = createLocalRegistry({ peer: 'a', tenure: new Agents() }, { recordOf })
    await registry.start()
    return { peers: [{ peer: 'a', registry }], agent }
  },
  distributed: async () => {
    const network = new Network()
    const started = peers.map(async (peer) => ({
      peer,
      registry: await startRegistry(network, peer, new Agents(), recordOf)
    }))
    return { peers: await Promise.all(started), agent }
  }
}

for (const [name, start] of Object.entries(backends)) {
  describe(`the ${name} backend of the registry`, () => {
    for (const { name: behaviour, run } of registryCases) {
      it(behaviour, async () => run(await start()))
    }
  })
}

describe('a local registry with a store', () => {
  it('knows after a restart what was registered, and not what was taken back', async () => {
    const store = createMemoryStore()
    const open = async (): Promise<Registry> => {
      const registry = createLocalRegistry({ peer: 'a', tenure: new Agents(), store })
      await registry.start()
      return registry
    }
    const before = await open()
    await before.register({ ...agent('kept'), labels: { kind: 'weather' } })
    await before.register(agent('left'))
    await before.unregister(agent('left').id)
    const after = await open()
    expect((await after.describe(agent('kept').id))?.labels).toEqual({ kind: 'weather' })
    expect((await after.find(agent('left').id)).status).toBe('not-found')
  })

  it('has no place for an agent that is pinned to another peer', async () => {
    const registry = createLocalRegistry({ peer: 'a', tenure: new Agents() })
    const pinned: AgentRecord = { id: 'default/host/b', placement: 'pinned', replicas: 1 }
    expect(await registry.claim(pinned)).toEqual({
      status: 'unavailable',
      reason: 'pinned-peer-absent'
    })
  })
})
