import { beforeEach, describe, expect, it } from 'vitest'
import { UnavailableError } from '@murmuration/interface'
import type { AgentRecord, Registry, RegistryChange, RpcHandler } from '@murmuration/interface'
import { WhereReply } from '../src/messages.ts'
import { Agents, membership, Network, peers, placement, startRegistry, view } from './fake-peers.ts'

const agent: AgentRecord = { id: 'default/station/berlin', placement: 'hash', replicas: 3 }
const owner = placement.ownerOf(agent)?.peer ?? ''
const others = peers.filter((peer) => peer !== owner)
const [other = '', third = ''] = others

describe('registry', () => {
  let network: Network
  let agents: Map<string, Agents>
  let registries: Map<string, Registry>

  beforeEach(async () => {
    network = new Network()
    agents = new Map()
    registries = new Map()
    for (const peer of peers) {
      const tenure = new Agents()
      agents.set(peer, tenure)
      registries.set(peer, await startRegistry(network, peer, tenure))
    }
  })

  const on = (peer: string): Registry => {
    const registry = registries.get(peer)
    if (registry === undefined) throw new Error(`no peer ${peer}`)
    return registry
  }

  it('claims where placement says, and only there', async () => {
    expect(await on(owner).claim(agent)).toEqual({ status: 'claimed', epoch: { view: 7, boot: 1 } })
    expect((await on(other).claim(agent)).status).toBe('conflict')
  })

  it('redirects a claim for an agent that nobody runs', async () => {
    expect(await on(other).claim(agent)).toEqual({ status: 'redirect', peer: owner })
  })

  it('says unknown when the owner is silent, and unavailable without a quorum', async () => {
    network.silent.add(owner)
    expect(await on(other).claim(agent)).toEqual({ status: 'unknown' })
    const tenure = agents.get(owner)
    if (tenure !== undefined) tenure.refusal = new UnavailableError('no quorum')
    expect(await on(owner).claim(agent)).toEqual({ status: 'unavailable', reason: 'no-quorum' })
  })

  it('says that the peer of a pinned agent is absent', async () => {
    const pinned: AgentRecord = { id: 'default/host/nobody', placement: 'pinned', replicas: 3 }
    expect(await on(owner).claim(pinned)).toEqual({
      status: 'unavailable',
      reason: 'pinned-peer-absent'
    })
  })

  it('finds from anywhere what was just registered', async () => {
    expect((await on(third).find(agent.id)).status).toBe('not-found')
    await on(owner).register({ ...agent, labels: { kind: 'weather' } })
    expect(await on(owner).find(agent.id)).toEqual({ status: 'local', freshness: 'fresh' })
    for (const peer of others) {
      expect(await on(peer).find(agent.id)).toEqual({
        status: 'remote',
        peer: owner,
        freshness: 'fresh'
      })
    }
    expect((await on(owner).describe(agent.id))?.labels).toEqual({ kind: 'weather' })
  })

  it('says that an agent is on its way until its new owner serves it', async () => {
    await on(owner).register(agent)
    const tenure = agents.get(owner)
    const epoch = tenure?.epochs.get(agent.id)
    if (tenure === undefined || epoch === undefined) throw new Error('not registered')
    tenure.held = () => true
    tenure.epochs.delete(agent.id)
    tenure.from = third
    const moving = { status: 'migrating', from: third, to: owner, freshness: 'fresh' }
    expect(await on(other).find(agent.id)).toEqual(moving)
    expect(await on(owner).find(agent.id)).toEqual(moving)
    tenure.epochs.set(agent.id, epoch)
    tenure.from = undefined
    expect((await on(other).find(agent.id)).status).toBe('remote')
  })

  it('answers a second find from its cache, without a question, and says so', async () => {
    await on(owner).register(agent)
    await on(other).find(agent.id)
    const before = network.questions
    expect(await on(other).find(agent.id)).toEqual({
      status: 'remote',
      peer: owner,
      freshness: 'cached'
    })
    expect(network.questions).toBe(before)
  })

  it('takes no more for a find from its cache than a look at it', async () => {
    let records = 0
    const counted = await startRegistry(network, third, new Agents(), (id) => {
      records++
      return { ...agent, id }
    })
    await on(owner).register(agent)
    await counted.find(agent.id)
    const before = records
    expect(await counted.find(agent.id)).toMatchObject({ freshness: 'cached' })
    // Taking an id apart costs fifteen times as much as all the rest.
    expect(records).toBe(before)
  })

  it('does not say not-found when the owner is silent', async () => {
    network.silent.add(owner)
    expect(await on(other).find(agent.id)).toEqual({
      status: 'remote',
      peer: owner,
      freshness: 'cached'
    })
  })

  it('unregisters from anywhere, and tells watchers why', async () => {
    await on(owner).register(agent)
    const stop = new AbortController()
    const seen: RegistryChange[] = []
    const watching = (async () => {
      for await (const change of on(owner).watch('default/station/*', { signal: stop.signal })) {
        seen.push(change)
      }
    })()
    await Promise.resolve()
    expect(await on(other).unregister(agent.id)).toBe(true)
    expect(await on(other).unregister(agent.id)).toBe(false)
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort()
    await watching
    expect(seen.map(({ type, reason }) => `${type}: ${reason}`)).toEqual([
      `unregistered: unregister by ${other}`
    ])
    expect((await on(third).find(agent.id)).status).toBe('not-found')
  })

  it('follows a peer with a later view to the owner, three hops at most', async () => {
    // What an older view says: `owner`, who knows better, and so on around.
    const chain = [owner, other, third, 'd', 'e']
    for (const [at, peer] of chain.entries()) {
      const handlers = network.handlers.get(peer) ?? new Map<string, RpcHandler>()
      network.handlers.set(peer, handlers)
      const next = chain[at + 1]
      handlers.set('registry.where', () =>
        WhereReply.encode({
          running: next === undefined,
          held: false,
          ...(next === undefined ? { epoch: { view: 9, boot: 1 } } : { owner: next })
        })
      )
    }
    const before = network.questions
    expect(await on(other).find(agent.id)).toMatchObject({ status: 'not-found' })
    expect(network.questions - before).toBe(4)
    chain.splice(2, 1)
    network.handlers
      .get(other)
      ?.set('registry.where', () => WhereReply.encode({ running: false, held: false, owner: 'd' }))
    expect(await on(third).find(agent.id)).toMatchObject({ status: 'remote', peer: 'e' })
  })

  it('tells watchers what a view has moved, from whom to whom', async () => {
    const seen: RegistryChange[] = []
    on(other).addEventListener('change', ({ detail }) => void seen.push(detail))
    const moved = { ...view, number: 8, moved: [{ peer: other, keys: [agent.id, 'a shard'] }] }
    membership.dispatchEvent(new CustomEvent('view', { detail: { previous: view, view: moved } }))
    expect(seen).toEqual([
      { type: 'moved', id: agent.id, from: owner, peer: other, reason: 'view 8' }
    ])
  })
})
