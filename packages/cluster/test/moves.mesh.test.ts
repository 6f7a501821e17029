import { afterEach, describe, expect, it } from 'vitest'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { Callers, station, until, wait } from './callers.ts'

const running: Cluster[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((cluster) => cluster.stop()))
})

async function mesh(count: number): Promise<Cluster[]> {
  const init = { name: 'moves', agents: [station], listen: ['/ip4/127.0.0.1/tcp/0'] }
  const peer = async (more: Partial<ClusterInit> = {}): Promise<Cluster> => {
    const cluster = await createCluster({ ...init, ...more })
    running.push(cluster)
    return cluster
  }
  const first = await peer()
  const bootstrap = first.addresses
  const rest = await Promise.all(Array.from({ length: count - 1 }, () => peer({ bootstrap })))
  const all = [first, ...rest]
  await Promise.all(all.map((each) => each.ready()))
  return all
}

describe('a move of agents that are called all the time', () => {
  it('fails no call and loses no update, there and back', async () => {
    const peers = await mesh(4)
    const [first, second] = peers
    if (first === undefined || second === undefined) throw new Error('no mesh')
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`)
    const callers = new Callers()
    callers.start(peers, keys)
    await wait(300)
    const ids = keys.map((key) => station.id(key))
    const { moved, refused } = await first.placement.move(ids, second.peerId, {
      perView: 10,
      pauseMs: 50
    })
    expect([moved.length, refused]).toEqual([20, []])
    await until(() => second.agents.running().length === 20)
    const back = await second.placement.rebalance()
    expect(back.refused).toEqual([])
    await wait(300)
    await callers.stop()
    expect(callers.failures).toEqual([])
    expect(first.view?.moved ?? []).toEqual([])
    for (const key of keys) {
      const { value } = await first.agent(station, key).state()
      expect(value.readings).toBe(callers.counts.get(key))
    }
  })

  it('fails no call and loses no update of a thousand', async () => {
    const peers = await mesh(3)
    const [first, second] = peers
    if (first === undefined || second === undefined) throw new Error('no mesh')
    const keys = Array.from({ length: 1_000 }, (_, at) => `k${at}`)
    for (let at = 0; at < keys.length; at += 100) {
      const some = keys.slice(at, at + 100)
      await Promise.all(some.map((key) => first.agent(station, key).call('add', 1)))
    }
    const counts = new Map(keys.map((key) => [key, 1]))
    const failures: unknown[] = []
    let isCalling = true
    const call = async (peer: Cluster, own: readonly string[]): Promise<void> => {
      for (let at = 0; isCalling; at = (at + 1) % own.length) {
        const key = own[at] ?? ''
        try {
          await peer.agent(station, key).call('add', 1)
          counts.set(key, (counts.get(key) ?? 0) + 1)
        } catch (error) {
          failures.push(error)
        }
        await wait(2)
      }
    }
    const callers = Array.from({ length: 8 }, (_, at) => {
      const peer = peers[at % peers.length] ?? first
      return call(
        peer,
        keys.filter((__, index) => index % 8 === at)
      )
    })
    await wait(200)
    const ids = keys.map((key) => station.id(key))
    const { moved, refused } = await first.placement.move(ids, second.peerId, { pauseMs: 50 })
    expect([moved.length, refused]).toEqual([1_000, []])
    await wait(200)
    isCalling = false
    await Promise.all(callers)
    expect(failures).toEqual([])
    for (let at = 0; at < keys.length; at += 100) {
      const some = keys.slice(at, at + 100)
      const values = await Promise.all(some.map((key) => first.agent(station, key).state()))
      expect(values.map(({ value }) => value.readings)).toEqual(some.map((key) => counts.get(key)))
    }
  }, 120_000)

  it('loses none although the peer that they move to is killed in the middle', async () => {
    const peers = await mesh(4)
    const [first, second] = peers
    const target = peers[3]
    if (first === undefined || second === undefined || target === undefined) throw new Error('mesh')
    const keys = Array.from({ length: 16 }, (_, at) => `k${at}`)
    const callers = new Callers()
    callers.start([first, second], keys)
    await wait(200)
    const ids = keys.map((key) => station.id(key))
    const moving = first.placement.move(ids, target.peerId, { perView: 6, pauseMs: 60 })
    await wait(100)
    await target.stop()
    const outcome = await moving.catch((error: unknown) => error)
    expect(outcome).toBeDefined()
    await wait(500)
    await callers.stop()
    expect(callers.failures).toEqual([])
    for (const key of keys) {
      const { value } = await first.agent(station, key).state()
      expect(value.readings).toBe(callers.counts.get(key))
    }
  })

  it('can be refused by its type, cancelled, and asks for a member', async () => {
    const [first, second] = await mesh(2)
    if (first === undefined || second === undefined) throw new Error('no mesh')
    const cancelled = await first.placement.move(['default/station/a'], second.peerId, {
      signal: AbortSignal.abort()
    })
    expect(cancelled).toEqual({
      moved: [],
      refused: [{ id: 'default/station/a', reason: 'the moves were cancelled' }]
    })
    const target = first.placement.ownerOf('default/station/stubborn')
    const other = [first, second].find(({ peerId }) => peerId !== target)?.peerId ?? ''
    const { refused } = await first.placement.move('default/station/stubborn', other)
    expect(refused).toEqual([
      { id: 'default/station/stubborn', reason: 'its type refuses the move' }
    ])
  })
})
