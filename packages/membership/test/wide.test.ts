import { expect, test } from 'vitest'
import { WideCluster } from './wide.ts'

test('101 members send little when idle, hold their leases, and lose five in at most two views', async () => {
  const cluster = new WideCluster(1, 101)
  await cluster.begin()
  await cluster.simulation.run(7000)
  cluster.resetTraffic()
  await cluster.simulation.run(12_000)
  const sent = [...cluster.traffic.values()].map(({ messages }) => messages / 12)
  const [median = 0] = sent.toSorted((a, b) => a - b).slice(50)
  expect(median).toBeLessThanOrEqual(15)
  expect([...cluster.members.values()].every(({ lease }) => lease.held)).toBe(true)
  for (const name of cluster.names.filter((_, index) => index % 20 === 7)) {
    cluster.crash(name, false)
  }
  expect(await cluster.simulation.until(() => cluster.isOne(96), 3000)).toBe(true)
  expect(cluster.views.size).toBeLessThanOrEqual(2)
}, 120_000)
