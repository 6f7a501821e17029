import { describe, expect, it } from 'vitest'
import { SubscriptionQueue } from '../src/core/subscription-queue.ts'
import { settle } from './fakes.ts'

function queue(overflow: 'block' | 'drop-oldest' | 'drop-newest' | 'error'): {
  queue: SubscriptionQueue<number>
  drops: () => number
} {
  let drops = 0
  return {
    queue: new SubscriptionQueue<number>(2, overflow, () => (drops += 1)),
    drops: () => drops
  }
}

async function all(source: SubscriptionQueue<number>): Promise<number[]> {
  source.close()
  const items: number[] = []
  for (let item = await source.take(); item !== undefined; item = await source.take()) {
    items.push(item)
  }
  return items
}

describe('a subscription queue', () => {
  it('drops the oldest, and counts', async () => {
    const { drops, queue: subject } = queue('drop-oldest')
    expect([1, 2, 3, 4].map((item) => subject.offer(item, true))).toEqual([true, true, true, true])
    expect(subject.dropped).toBe(2)
    expect(drops()).toBe(2)
    expect(await all(subject)).toEqual([3, 4])
  })

  it('drops the newest, and counts', async () => {
    const { queue: subject } = queue('drop-newest')
    expect([1, 2, 3].map((item) => subject.offer(item, true))).toEqual([true, true, false])
    expect(subject.dropped).toBe(1)
    expect(await all(subject)).toEqual([1, 2])
  })

  it('closes with an error, after what it holds was read', async () => {
    const { queue: subject } = queue('error')
    void subject.offer(1, true)
    void subject.offer(2, true)
    expect(subject.offer(3, true)).toBe(false)
    expect(subject.closed).toBe(true)
    expect(await subject.take()).toBe(1)
    expect(await subject.take()).toBe(2)
    await expect(subject.take()).rejects.toMatchObject({ name: 'OverloadedError' })
  })

  it('holds publishers back in their order, and lets each go on', async () => {
    const { queue: subject } = queue('block')
    void subject.offer(1, true)
    void subject.offer(2, true)
    const settled: number[] = []
    const third = Promise.resolve(subject.offer(3, true)).then((taken) => settled.push(3, +taken))
    const fourth = Promise.resolve(subject.offer(4, true)).then((taken) => settled.push(4, +taken))
    await settle()
    expect(settled).toEqual([])
    expect(await subject.take()).toBe(1)
    await settle()
    expect(settled).toEqual([3, 1])
    expect([await subject.take(), await subject.take(), await subject.take()]).toEqual([2, 3, 4])
    await Promise.all([third, fourth])
    expect(subject.dropped).toBe(0)
  })

  it('drops what may not wait, and what waited until it was aborted or closed', async () => {
    const { queue: subject } = queue('block')
    void subject.offer(1, true)
    void subject.offer(2, true)
    expect(subject.offer(3, false)).toBe(false)
    expect(subject.offer(3, true, AbortSignal.abort())).toBe(false)
    const abort = new AbortController()
    const aborted = subject.offer(4, true, abort.signal)
    abort.abort()
    expect(await aborted).toBe(false)
    const closed = subject.offer(5, true)
    subject.close()
    expect(await closed).toBe(false)
    expect(subject.dropped).toBe(4)
    expect(subject.offer(6, true)).toBe(false)
  })

  it('keeps order and count over many rounds', async () => {
    const subject = new SubscriptionQueue<number>(8, 'drop-oldest', () => undefined)
    let next = 0
    let read = 0
    for (let round = 0; round < 500; round += 1) {
      for (let count = 0; count < round % 8; count += 1) {
        void subject.offer(next, true)
        next += 1
      }
      while (subject.size > 0) {
        expect(await subject.take()).toBe(read)
        read += 1
      }
    }
    expect(subject.dropped).toBe(0)
  })

  it('has one reader', async () => {
    const { queue: subject } = queue('block')
    const first = subject.take()
    await expect(subject.take()).rejects.toMatchObject({ name: 'AbortedError' })
    void subject.offer(1, true)
    expect(await first).toBe(1)
  })

  it('throws away what waits where that is asked for', async () => {
    const { queue: subject } = queue('block')
    void subject.offer(1, true)
    subject.close({ discard: true })
    expect(await subject.take()).toBeUndefined()
  })
})
