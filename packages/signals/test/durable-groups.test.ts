import { describe, expect, it } from 'vitest'
import { atLeastOnce, durably, during } from './durably.ts'
import { testCluster } from './fakes.ts'
import type { TestBus, TestCluster } from './fakes.ts'

interface Group {
  readonly cluster: TestCluster
  readonly a: TestBus
  readonly b: TestBus
  readonly c: TestBus
}

async function three(): Promise<Group> {
  const cluster = testCluster()
  const init = { components: { view: (): string[] => ['a', 'b', 'c'] } }
  const [a, b, c] = [
    await cluster.bus('a', init),
    await cluster.bus('b', init),
    await cluster.bus('c', init)
  ]
  return { cluster, a, b, c }
}

const twenty = Array.from({ length: 20 }, (_, data) => data)

async function publishTwenty({ a, cluster }: Group): Promise<void> {
  for (const data of twenty) {
    const order = { type: 'order.created', subject: `s${data}`, data }
    await during(cluster, a.bus.publish(order, atLeastOnce), 100)
  }
}

function sorted(got: readonly unknown[]): unknown[] {
  return got.toSorted((x, y) => Number(x) - Number(y))
}

describe('a group', () => {
  it.each(['close', 'remove'] as const)(
    'takes over what a consumer that leaves by %s has not handled',
    async (how) => {
      const group = await three()
      const { b, c, cluster } = group
      const got: unknown[] = []
      await durably(cluster, b, got, { group: true })
      const stuck = await during(
        cluster,
        c.bus.subscribeDurably('order.*', () => new Promise(() => undefined), {
          name: 'all',
          group: true
        }),
        3000
      )
      await publishTwenty(group)
      await cluster.clock.advance(1000)
      expect(got.length).toBeLessThan(20)
      if (how === 'close') {
        stuck.close()
      } else {
        await during(cluster, stuck.remove(), 500)
      }
      await cluster.clock.advance(2000)
      expect(sorted(got)).toEqual(twenty)
    }
  )

  it('gives no share to a consumer whose subscription failed', async () => {
    const cluster = testCluster()
    const init = { components: { view: (): string[] => ['a', 'b', 'c', 'd'] } }
    const [a, b, c] = [
      await cluster.bus('a', init),
      await cluster.bus('b', init),
      await cluster.bus('c', init)
    ]
    await cluster.bus('d', init)
    const got: unknown[] = []
    await durably(cluster, b, got, { group: true })
    cluster.rpc.down.add('d')
    const failed = c.bus.subscribeDurably('order.*', () => undefined, {
      name: 'all',
      group: true,
      timeoutMs: 1000
    })
    await expect(during(cluster, failed, 3000)).rejects.toMatchObject({ name: 'UnavailableError' })
    cluster.rpc.down.delete('d')
    await publishTwenty({ a, b, c, cluster })
    await cluster.clock.advance(2000)
    expect(sorted(got)).toEqual(twenty)
  })
})
