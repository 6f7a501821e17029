import { afterEach, describe, expect, it } from 'vitest'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { Callers, station, until } from './callers.ts'

const running: Cluster[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((cluster) => cluster.stop()))
})

async function peer(more: Partial<ClusterInit> = {}): Promise<Cluster> {
  const init = { name: 'motion', agents: [station], listen: ['/ip4/127.0.0.1/tcp/0'] }
  const motion = { perView: 20, pauseMs: 50, startMs: 500 }
  const cluster = await createCluster({ ...init, motion, ...more })
  running.push(cluster)
  await cluster.ready()
  return cluster
}

const keys = [...Array.from({ length: 120 }, (_, at) => `k${at}`), 'stubborn']

describe('agents that are called all the time', () => {
  it('go to a peer that joins and away from one that drains, and no call fails', async () => {
    const first = await peer()
    const bootstrap = first.addresses
    const [second, third] = await Promise.all([peer({ bootstrap }), peer({ bootstrap })])
    const callers = new Callers()
    callers.startFew([first, third], keys, 6)
    await until(() => keys.every((key) => (callers.counts.get(key) ?? 0) > 0))
    const stubbornly = first.placement.ownerOf(station.id('stubborn'))

    // What joins before that moves at once.
    await until(() => first.view?.inUse === true)
    const fourth = await peer({ bootstrap })
    expect(fourth.status).toBe('ready')
    await until(() => fourth.placement.motion.progress.moved > 0)
    await until(() => first.placement.motion.peers().length === 0)
    const shareOf = (one: Cluster): number =>
      keys.filter((key) => first.placement.ownerOf(station.id(key)) === one.peerId).length
    expect(shareOf(fourth)).toBeGreaterThan(10)
    expect(first.placement.ownerOf(station.id('stubborn'))).toBe(stubbornly)
    expect(first.placement.plan().owners.moved).toBeLessThanOrEqual(1)

    await second.drain({ timeoutMs: 20_000 })
    expect(shareOf(second)).toBe(0)
    await until(() => first.members().length === 3)
    await callers.stop()
    expect(callers.failures).toEqual([])
    for (const key of keys) {
      const { value } = await first.agent(station, key).state()
      expect([key, value.readings]).toEqual([key, callers.counts.get(key)])
    }
  }, 120_000)
})
