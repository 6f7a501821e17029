import { describe, expect, it } from 'vitest'
import { Outbox } from '../src/core/outbox.ts'
import type { Letter } from '../src/core/outbox.ts'
import { RecentBatches } from '../src/core/recent-batches.ts'
import { settle } from './fakes.ts'

interface TestOutbox {
  readonly outbox: Outbox<string>
  readonly batches: number[][]
  readonly release: (() => void)[]
}

/** Batches are named by the first byte of their signals; with `hold`, each waits to be released. */
function testOutbox(hold = false): TestOutbox {
  const batches: number[][] = []
  const release: (() => void)[] = []
  const outbox = new Outbox<string>({
    defer: (task) => setImmediate(task),
    send: async (letters: readonly Letter[]) => {
      batches.push(letters.map(({ bytes }) => bytes[0] ?? -1))
      if (hold) {
        await new Promise<void>((resolve) => release.push(resolve))
      }
      return letters.map(({ bytes }) => `sent ${bytes[0]}`)
    },
    batchBytesMax: 100,
    batchSignalsMax: 3,
    pendingBytesMax: 200,
    pendingSignalsMax: 5
  })
  return { outbox, batches, release }
}

const letter = (content: Uint8Array): Letter => ({ bytes: content, deadline: 0 })
const bytes = (name: number, length = 10): Uint8Array => new Uint8Array(length).fill(name)

describe('an outbox', () => {
  it('sends one signal at the end of its turn, several of one turn together', async () => {
    const { batches, outbox } = testOutbox()
    const first = outbox.post(letter(bytes(1)))
    const second = outbox.post(letter(bytes(2)))
    expect(batches).toEqual([])
    expect(await Promise.all([first.result, second.result])).toEqual(['sent 1', 'sent 2'])
    await outbox.post(letter(bytes(3))).result
    expect(batches).toEqual([[1, 2], [3]])
    expect(outbox.idle).toBe(true)
  })

  it('gathers while a batch is on its way, within the limits of a batch', async () => {
    const { batches, outbox, release } = testOutbox(true)
    outbox.post(letter(bytes(1, 80)))
    await settle()
    outbox.post(letter(bytes(2, 80)))
    outbox.post(letter(bytes(3, 80)))
    expect(batches).toEqual([[1]])
    release.shift()?.()
    await settle()
    expect(batches).toEqual([[1], [2]])
    release.shift()?.()
    await settle()
    expect(batches).toEqual([[1], [2], [3]])
  })

  it('refuses what would be too much, and takes more once there is room', async () => {
    const { batches, outbox } = testOutbox()
    const posted = [1, 2, 3, 4, 5].map((name) => outbox.post(letter(bytes(name))).result)
    expect(() => outbox.post(letter(bytes(6)))).toThrow(
      expect.objectContaining({ name: 'OverloadedError', retryable: true })
    )
    await Promise.all(posted)
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5]
    ])
    expect(() => outbox.post(letter(bytes(7, 300)))).toThrow(/too many/)
    await outbox.post(letter(bytes(8))).result
  })

  it('takes back only what was not sent', async () => {
    const { batches, outbox, release } = testOutbox(true)
    const first = outbox.post(letter(bytes(1)))
    await settle()
    const second = outbox.post(letter(bytes(2)))
    outbox.post(letter(bytes(3)))
    expect(first.cancel()).toBe(false)
    expect(second.cancel()).toBe(true)
    release.shift()?.()
    await settle()
    expect(batches).toEqual([[1], [3]])
  })

  it('fails only the batch that failed', async () => {
    let fail = true
    const outbox = new Outbox<string>({
      defer: (task) => task(),
      send: async (letters) => {
        if (fail) {
          fail = false
          throw new Error('broken')
        }
        return letters.map(() => 'sent')
      },
      batchBytesMax: 100,
      batchSignalsMax: 1,
      pendingBytesMax: 200,
      pendingSignalsMax: 5
    })
    const results = await Promise.allSettled(
      [1, 2].map((name) => outbox.post(letter(bytes(name))).result)
    )
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })
})

describe('recent batches', () => {
  const init = { lingerMs: 1000, batchesMax: 3, bytesMax: 100, resendsMax: 2 }
  const batch = (first: number, at: number, reached: string[] = []) => ({
    first,
    signals: [bytes(first)],
    bytes: 10,
    at,
    reached: new Set(reached),
    attempt: 0,
    resends: 0,
    durable: false
  })

  it('are due for a peer that came late, until it was reached', () => {
    const recent = new RecentBatches(init)
    const first = batch(1, 0, ['b'])
    recent.add(first)
    expect(recent.joined('b', 10)).toBe(false)
    expect(recent.due(10)).toEqual([])
    expect(recent.joined('c', 10)).toBe(true)
    expect(recent.due(10)).toEqual([first])
    first.reached.add('c')
    expect(recent.due(10)).toEqual([])
  })

  it('are not repeated for ever, nor kept for long', () => {
    const recent = new RecentBatches(init)
    const first = batch(1, 0)
    recent.add(first)
    recent.joined('c', 10)
    first.resends = 2
    expect(recent.due(10)).toEqual([])
    recent.add(batch(2, 100))
    expect(recent.joined('c', 1099)).toBe(true)
    expect(recent.due(1100)).toEqual([])
  })

  it('are bounded by number and bytes', () => {
    const recent = new RecentBatches(init)
    for (let first = 1; first <= 5; first += 1) {
      recent.add(batch(first, 0))
    }
    recent.joined('c', 0)
    expect(recent.due(0).map(({ first }) => first)).toEqual([3, 4, 5])
    recent.add({ ...batch(6, 0), bytes: 95 })
    expect(recent.due(0).map(({ first }) => first)).toEqual([6])
  })
})
