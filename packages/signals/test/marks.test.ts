import type { Store } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { describe, expect, it } from 'vitest'
import { settle, testCluster } from './fakes.ts'

/** A store that finishes no write while it is held. */
class HeldStore {
  readonly store: Store
  #waiting: (() => void)[] | undefined

  constructor() {
    this.store = this.#view(createMemoryStore())
  }

  hold(): void {
    this.#waiting = []
  }

  release(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const resolve of waiting) {
      resolve()
    }
  }

  #view(store: Store): Store {
    return {
      get: (key) => store.get(key),
      entries: (range) => store.entries(range),
      sub: (prefix) => this.#view(store.sub(prefix)),
      close: () => store.close(),
      write: async (batch, options) => {
        await new Promise<void>((resolve) => {
          if (this.#waiting === undefined) {
            resolve()
          } else {
            this.#waiting.push(resolve)
          }
        })
        await store.write(batch, options)
      }
    }
  }
}

describe('a signal', () => {
  it('waits for the disk unless a written mark covers it, and then keeps the order', async () => {
    const cluster = testCluster()
    const disk = new HeldStore()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b', { components: { store: disk.store } })
    b.listen('order.*')
    await cluster.clock.advance(3000)
    const send = async (data: number, laterMs: number): Promise<void> => {
      await cluster.clock.advance(laterMs)
      void a.bus.publish({ type: 'order.created', data })
      await settle()
    }
    await send(1, 0)
    disk.hold()
    // Covered by the mark that came with the first one.
    await send(2, 100)
    await send(3, 400)
    expect(b.got).toEqual([1, 2, 3])
    // Not covered, since no later mark is written yet.
    await send(4, 100)
    await send(5, 10)
    expect(b.got).toEqual([1, 2, 3])
    disk.release()
    await settle()
    expect(b.got).toEqual([1, 2, 3, 4, 5])
  })

  it('is taken right after a stop that was clean, and what was seen before is not', async () => {
    const cluster = testCluster()
    const store = createMemoryStore()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b', { components: { store } })
    b.listen('order.*')
    await cluster.clock.advance(3000)
    await a.bus.publish({ type: 'order.created', data: 1 })
    await cluster.clock.advance(10)
    await b.bus.stop()
    const again = await cluster.bus('b', { components: { boot: 2, store } })
    again.listen('order.*')
    await cluster.clock.advance(10)
    await a.bus.publish({ type: 'order.created', data: 2 })
    await cluster.clock.advance(3000)
    expect(b.got).toEqual([1])
    expect(again.got).toEqual([2])
  })
})
