import { describe, expect, it } from 'vitest'
import { createCluster } from '@murmuration/cluster'
import type { ClusterInit } from '@murmuration/cluster'

const refused: readonly (readonly [why: string, init: ClusterInit, message: RegExp])[] = [
  ['a name with capitals', { name: 'Fleet' }, /name must be/],
  [
    'a secret beside an identity',
    {
      name: 'f',
      secret: 'x',
      identity: { rootPublicKey: new Uint8Array(32), certificate: new Uint8Array() }
    },
    /give one of secret, identity/
  ],
  ['a weight of nothing', { name: 'f', weight: 0 }, /weight must be/],
  ['steps of no agents', { name: 'f', motion: { perView: 0 } }, /motion.perView must be/],
  ['steps too large for a view', { name: 'f', motion: { perView: 2049 } }, /motion.perView/],
  ['a pause before now', { name: 'f', motion: { pauseMs: -1 } }, /motion.pauseMs must be/],
  ['no patience at all', { name: 'f', motion: { patienceMs: Number.NaN } }, /motion.patienceMs/],
  ['a start of hours', { name: 'f', motion: { startMs: 7_200_000 } }, /motion.startMs must be/],
  [
    'an open port without credentials',
    { name: 'f', listen: ['/ip4/0.0.0.0/tcp/0'] },
    /open to other machines/
  ],
  ['an edge peer that knows nobody', { name: 'f', role: 'edge' }, /needs bootstrap/],
  ['a secret that is too short', { name: 'f', secret: 'short' }, /secret/],
  [
    'a route for what is no pattern',
    { name: 'f', distributed: false, routes: { 'a..b': 'local' } },
    /pattern/
  ],
  [
    'signals in no log',
    { name: 'f', distributed: false, signals: { copies: 0 } },
    /copies must be/
  ],
  [
    'a log of no age',
    { name: 'f', distributed: false, signals: { log: { ageMs: 0 } } },
    /log.ageMs must be/
  ],
  [
    'a budget of nothing',
    { name: 'f', distributed: false, signals: { budget: { messagesPerSecond: 0 } } },
    /budget.messagesPerSecond must be/
  ]
]

describe('options of a peer', () => {
  it.each(refused)('refuses %s', async (_why, init, message) => {
    await expect(createCluster(init)).rejects.toThrow(message)
    await expect(createCluster(init)).rejects.toMatchObject({ name: 'InvalidParametersError' })
  })

  it('give signals of a type their default route', async () => {
    const cluster = await createCluster({
      name: 'f',
      distributed: false,
      routes: { 'metrics.*': { targeted: ['somebody'] } }
    })
    try {
      const { dropped } = await cluster.signals.publish({ type: 'metrics.cpu' })
      expect(dropped).toEqual([{ peer: 'somebody', reason: 'no network' }])
      expect((await cluster.signals.publish({ type: 'order.paid' })).dropped).toEqual([])
    } finally {
      await cluster.stop()
    }
  })

  it('bound the log of signals', async () => {
    const cluster = await createCluster({
      name: 'f',
      distributed: false,
      signals: { log: { bytesMax: 4096 } }
    })
    try {
      const publish = (data: unknown): Promise<unknown> =>
        cluster.signals.publish({ type: 'order.paid', data }, { delivery: 'at-least-once' })
      for (let index = 0; index < 20; index += 1) await publish('x'.repeat(500))
      const kept = []
      for await (const logged of cluster.signals.replay({ from: 'start' })) kept.push(logged)
      expect(kept.length).toBeGreaterThan(0)
      expect(kept.length).toBeLessThan(8)
    } finally {
      await cluster.stop()
    }
  })
})
