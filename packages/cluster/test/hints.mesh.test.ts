import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { afterEach, describe, expect, it } from 'vitest'
import { meter } from './meter.ts'

const running: Cluster[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((cluster) => cluster.stop()))
})

const init = {
  name: 'hinted',
  secret: 'peers that give hints to others',
  agents: [meter],
  listen: ['/ip4/127.0.0.1/tcp/0'],
  kademlia: true,
  hints: true
}

async function start(more: Partial<Parameters<typeof createCluster>[0]>): Promise<Cluster> {
  const cluster = await createCluster({ ...init, ...more })
  running.push(cluster)
  return cluster
}

describe('hints', () => {
  it('lead an edge peer to the home of an agent, by a view that a member proves', async () => {
    const first = await start({})
    const bootstrap = first.addresses
    const others = await Promise.all([start({ bootstrap }), start({ bootstrap })])
    await Promise.all([first, ...others].map((peer) => peer.ready()))
    const edge = await start({ role: 'edge', bootstrap })
    const record = meter.record('x')
    let found: Awaited<ReturnType<NonNullable<Cluster['homes']>['find']>> | undefined
    for (let attempt = 0; found === undefined && attempt < 100; attempt++) {
      // Members publish in their own time, and nobody waits for it.
      found = await edge.homes?.find(record, { fresh: true }).catch(() => undefined)
      if (found === undefined) await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(found?.home.map(({ peer }) => peer)).toEqual(first.placement.homeOf(record))
    expect(found?.owner?.peer).toBe(first.placement.ownerOf(record))
  }, 60_000)

  it('need the DHT that they travel through', async () => {
    await expect(start({ kademlia: false })).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
  })
})
