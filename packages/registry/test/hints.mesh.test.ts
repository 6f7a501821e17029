import { afterEach, describe, expect, it } from 'vitest'
import { TypedEventEmitter } from 'main-event'
import type { AgentRecord, Membership, MembershipEvents, View } from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { createHomeFinder, createHomeHints } from '@murmuration/registry'
import type { HomeFinder } from '@murmuration/registry'
import { connectAll, startDhtNode } from './dht-nodes.ts'
import type { DhtNode } from './dht-nodes.ts'

const agent: AgentRecord = { id: 'default/station/berlin', placement: 'hash', replicas: 3 }

let running: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((stop) => stop()))
  running = []
})

class FakeMembership extends TypedEventEmitter<MembershipEvents> {
  view: View | undefined
  adopt(view: View): void {
    this.view = view
    this.safeDispatchEvent('view', { detail: { previous: undefined, view } })
  }
}

const viewOf = (number: number, nodes: readonly DhtNode[]): View => ({
  cluster: 'outside',
  number,
  members: nodes.map(({ peer, libp2p }) => ({
    peer,
    incarnation: 'i',
    addresses: libp2p.getMultiaddrs().map(String),
    labels: {},
    weight: 100,
    since: 1
  })),
  tieBreaker: '',
  placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
})

/** A member that publishes hints: only kad-dht and rpc are real. */
async function member(): Promise<DhtNode & { membership: FakeMembership }> {
  const node = await startDhtNode()
  running.push(() => node.stop())
  const membership = new FakeMembership()
  const hints = createHomeHints({
    dht: node.dht,
    rpc: node.rpc,
    membership: membership as unknown as Membership, // only its view is used
    privateKey: node.privateKey
  })
  await hints.start()
  running.unshift(async () => hints.stop())
  return { ...node, membership }
}

async function client(
  trusts?: (peer: string) => boolean
): Promise<DhtNode & { finder: HomeFinder }> {
  const node = await startDhtNode()
  running.push(() => node.stop())
  const finder = createHomeFinder(
    {
      dht: node.dht,
      rpc: node.rpc,
      connect: ({ id, multiaddrs }, options) =>
        node.libp2p.dial(multiaddrs.length > 0 ? multiaddrs : id, options)
    },
    { cluster: 'outside', ...(trusts === undefined ? {} : { trusts }) }
  )
  return { ...node, finder }
}

const eventually = async <T>(task: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> => {
  for (let tries = 0; ; tries++) {
    const value = await task().catch((error: unknown) => error as T)
    if (isDone(value) || tries > 60) return value
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

describe('a peer without the view', () => {
  it('finds the home of an agent by hints that members prove', async () => {
    const members = [await member(), await member()]
    const outside = await client()
    await connectAll([...members, outside])
    const view = viewOf(3, members)
    for (const { membership } of members) membership.adopt(view)
    const found = await eventually(
      () => outside.finder.find(agent),
      (value) => 'view' in value
    )
    expect(found.view).toBe(3)
    expect(found.owner?.peer).toBe(createPlacement(view).ownerOf(agent)?.peer)
    expect(found.owner?.addresses.length).toBeGreaterThan(0)
  })

  it('keeps the highest view that it has seen, and follows higher ones', async () => {
    const [first, second] = [await member(), await member()]
    const outside = await client()
    await connectAll([first, second, outside])
    first.membership.adopt(viewOf(5, [first, second]))
    const higher = await eventually(
      () => outside.finder.find(agent),
      (value) => 'view' in value
    )
    expect(higher.view).toBe(5)
    // One that is behind is asked later: it does not take the client back.
    second.membership.adopt(viewOf(2, [first, second]))
    const again = await outside.finder.find(agent, { fresh: true })
    expect(again.view).toBe(5)
    first.membership.adopt(viewOf(9, [first, second]))
    expect((await outside.finder.find(agent, { fresh: true })).view).toBe(9)
  })

  it('believes nobody who is no member of what it shows, of another cluster, or not trusted', async () => {
    const [rogue, honest] = [await member(), await member()]
    const outside = await client((peer) => peer !== rogue.peer)
    await connectAll([rogue, honest, outside])
    rogue.membership.adopt(viewOf(99, [rogue]))
    honest.membership.adopt(viewOf(4, [honest]))
    const found = await eventually(
      () => outside.finder.find(agent),
      (value) => 'view' in value
    )
    expect(found.view).toBe(4)
    const stranger = await member()
    const second = await client()
    await connectAll([stranger, second])
    stranger.membership.adopt(viewOf(7, [honest]))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await expect(second.finder.find(agent)).rejects.toMatchObject({ name: 'UnavailableError' })
  })
})
