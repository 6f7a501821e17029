import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { afterEach, expect, it } from 'vitest'
import { meter } from './meter.ts'

const running: Cluster[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((cluster) => cluster.stop()))
})

// Two defaults of libp2p break this silently: at most 5 connections a second, and 10 at a time that
// are not upgraded yet, are taken from one address.
it('sixteen peers behind one address come together, and each reaches agents of all', async () => {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const init = {
    name: 'crowd',
    secret: 'sixteen peers behind one address',
    agents: [meter],
    listen
  }
  const first = await createCluster(init)
  running.push(first)
  const bootstrap = first.addresses
  const others = await Promise.all(
    Array.from({ length: 15 }, async () => {
      const peer = await createCluster({ ...init, bootstrap })
      running.push(peer)
      return peer
    })
  )
  const all = [first, ...others]
  await Promise.all(all.map((peer) => peer.ready()))
  while (all.some((peer) => peer.members().length < 16)) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const keys = all.map((peer) => {
    for (let at = 0; ; at++) {
      if (first.placement.ownerOf(meter.id(`k${at}`)) === peer.peerId) return `k${at}`
    }
  })
  for (const peer of all) {
    await Promise.all(keys.map((key) => peer.agent(meter, key).call('add', 1)))
  }
  for (const key of keys) {
    const { value } = await first.agent(meter, key).state()
    expect(value.total).toBe(16)
  }
}, 120_000)
