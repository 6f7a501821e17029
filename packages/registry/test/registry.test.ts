import { beforeEach, describe, expect, it } from 'vitest'
import { TypedEventEmitter } from 'main-event'
import { UnavailableError } from '@murmuration/interface'
import type {
  AgentRecord,
  Epoch,
  Membership,
  MembershipEvents,
  Registry,
  RegistryChange,
  Rpc,
  RpcHandler,
  View
} from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { createRegistry } from '@murmuration/registry'
import type { Tenure } from '@murmuration/registry'

const peers = ['a', 'b', 'c']
const view: View = {
  cluster: 'test',
  number: 7,
  members: peers.map((peer) => ({
    peer,
    incarnation: 'i',
    addresses: [],
    labels: {},
    weight: 100,
    since: 1
  })),
  tieBreaker: 'a',
  placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
}
const placement = createPlacement(view)

/** Handlers of all peers; a peer in `silent` does not answer. */
class Network {
  readonly handlers = new Map<string, Map<string, RpcHandler>>()
  readonly silent = new Set<string>()
  questions = 0

  rpcOf(peer: string): Rpc {
    const own = new Map<string, RpcHandler>()
    this.handlers.set(peer, own)
    return {
      peer,
      start: () => undefined,
      stop: () => undefined,
      handle: (method, handler) => void own.set(method, handler),
      unhandle: (method) => void own.delete(method),
      handleStream: () => undefined,
      stream: () => {
        throw new Error('no streams here')
      },
      call: async (to, method, request) => {
        this.questions++
        if (this.silent.has(to)) throw new UnavailableError(`${to} is silent`)
        const handler = this.handlers.get(to)?.get(method)
        if (handler === undefined) throw new UnavailableError(`${to} has no ${method}`)
        const context = { peer, signal: new AbortController().signal, remainingMs: 1_000 }
        return handler(request, context)
      }
    }
  }
}

class Agents implements Tenure {
  readonly epochs = new Map<string, Epoch>()
  refusal: Error | undefined
  async begin(agent: AgentRecord): Promise<Epoch> {
    if (this.refusal !== undefined) throw this.refusal
    const epoch = { view: view.number, boot: 1 }
    this.epochs.set(agent.id, epoch)
    return epoch
  }
  async end(id: string): Promise<boolean> {
    return this.epochs.delete(id)
  }
  running(id: string): Epoch | undefined {
    return this.epochs.get(id)
  }
  held(id: string): boolean {
    return this.epochs.has(id)
  }
}

const membership = Object.assign(new TypedEventEmitter<MembershipEvents>(), {
  view
}) as unknown as Membership // only these are used
const agent: AgentRecord = { id: 'default/station/berlin', placement: 'hash', replicas: 3 }
const owner = placement.ownerOf(agent)?.peer ?? ''
const others = peers.filter((peer) => peer !== owner)
const [other = '', third = ''] = others

describe('registry', () => {
  let network: Network
  let agents: Map<string, Agents>
  let registries: Map<string, Registry>

  beforeEach(() => {
    network = new Network()
    agents = new Map()
    registries = new Map()
    for (const peer of peers) {
      const tenure = new Agents()
      agents.set(peer, tenure)
      const clock = { now: () => 0, monotonic: () => 0, schedule: () => () => undefined }
      const registry = createRegistry({
        rpc: network.rpcOf(peer),
        membership,
        placement: () => placement,
        tenure,
        clock
      })
      void registry.start()
      registries.set(peer, registry)
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
})
