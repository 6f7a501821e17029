import { NotOwnerError } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { createDuplex, errorOf } from './duplex.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

async function collect(items: AsyncIterable<Uint8Array>): Promise<number[]> {
  const seen: number[] = []
  for await (const item of items) seen.push(...item)
  return seen
}

describe('a streaming reply', () => {
  it('brings its items in order and ends', async () => {
    const duplex = createDuplex()
    duplex.methods.addStream('count', async function* ([max = 0]) {
      for (let value = 0; value < max; value++) yield bytes(value)
    })
    const items = collect(duplex.calling.stream('count', bytes(200), 5_000))
    await duplex.settle()
    expect(await items).toEqual(Array.from({ length: 200 }, (_, value) => value))
    expect(duplex.calling.inFlight).toBe(0)
    expect(duplex.clock.timers).toBe(0)
  })

  it('is not asked for before iteration begins', async () => {
    const duplex = createDuplex()
    const items = duplex.calling.stream('count', bytes(1), 5_000)
    await duplex.settle()
    expect(duplex.calling.inFlight).toBe(0)
    await items.return()
  })

  it('never has more under way than its window, however slow the consumer', async () => {
    const duplex = createDuplex({ windowItems: 8 })
    let made = 0
    duplex.methods.addStream('endless', async function* () {
      for (;;) yield bytes(made++ & 255)
    })
    const iterator = duplex.calling.stream('endless', bytes(), 5_000)
    const first = iterator.next()
    await duplex.settle()
    expect(await first).toMatchObject({ value: bytes(0) })
    expect(made).toBeLessThanOrEqual(9)
    for (let taken = 1; taken < 40; taken++) {
      const next = iterator.next()
      await duplex.settle()
      expect(await next).toMatchObject({ value: bytes(taken) })
      expect(made).toBeLessThanOrEqual(taken + 9)
    }
    await iterator.return()
  })

  it('counts bytes as well as items', async () => {
    const duplex = createDuplex({ windowItems: 1_000, windowBytes: 10_000 })
    let made = 0
    duplex.methods.addStream('blocks', async function* () {
      for (; made < 100; made++) yield new Uint8Array(4_000)
    })
    const iterator = duplex.calling.stream('blocks', bytes(), 5_000)
    const first = iterator.next()
    await duplex.settle()
    await first
    expect(made).toBeLessThanOrEqual(4)
    let taken = 1
    for (let done = false; !done;) {
      const next = iterator.next()
      await duplex.settle()
      done = (await next).done === true
      if (!done) taken++
    }
    expect(taken).toBe(100)
  })

  it('is cancelled when the consumer leaves the loop, and the handler cleans up', async () => {
    const duplex = createDuplex()
    let cleaned = false
    let signal: AbortSignal | undefined
    duplex.methods.addStream('endless', async function* (_, context) {
      signal = context.signal
      try {
        for (let value = 0; ; value++) yield bytes(value & 255)
      } finally {
        cleaned = true
      }
    })
    const seen: number[] = []
    const reading = (async () => {
      for await (const item of duplex.calling.stream('endless', bytes(), 5_000)) {
        seen.push(...item)
        if (seen.length === 3) break
      }
    })()
    await duplex.settle()
    await reading
    await duplex.settle()
    expect(seen).toEqual([0, 1, 2])
    expect(signal?.aborted).toBe(true)
    expect(cleaned).toBe(true)
    expect(duplex.calling.inFlight).toBe(0)
  })

  it('hands over its items before the error that ends it', async () => {
    const duplex = createDuplex()
    duplex.methods.addStream('breaks', async function* () {
      yield bytes(1)
      yield bytes(2)
      throw new NotOwnerError('moved')
    })
    const seen: number[] = []
    const reading = errorOf(
      (async () => {
        for await (const item of duplex.calling.stream('breaks', bytes(), 5_000)) seen.push(...item)
      })()
    )
    await duplex.settle()
    expect(await reading).toMatchObject({ name: 'NotOwnerError', retryable: true, peer: 'server' })
    expect(seen).toEqual([1, 2])
  })

  it('fails at its deadline, also if the handler hangs', async () => {
    const duplex = createDuplex()
    let signal: AbortSignal | undefined
    duplex.methods.addStream('hangs', async function* (_, context) {
      signal = context.signal
      yield bytes(1)
      await new Promise(() => {})
    })
    const reading = errorOf(collect(duplex.calling.stream('hangs', bytes(), 100)))
    await duplex.settle()
    duplex.clock.advance(110)
    await duplex.settle()
    expect(await reading).toMatchObject({ name: 'DeadlineExceededError' })
    expect(signal?.aborted).toBe(true)
  })

  it('fails when the stream below ends', async () => {
    const duplex = createDuplex()
    duplex.methods.addStream('hangs', async function* () {
      yield bytes(1)
      await new Promise(() => {})
    })
    const reading = errorOf(collect(duplex.calling.stream('hangs', bytes(), 100)))
    await duplex.settle()
    duplex.calling.close(new Error('reset'))
    expect(await reading).toMatchObject({ name: 'ConnectionLostError', outcomeUnknown: true })
  })

  it('stops for an item that is too large', async () => {
    const duplex = createDuplex({ messageBytesMax: 100 })
    let cleaned = false
    duplex.methods.addStream('big', async function* () {
      try {
        yield bytes(1)
        yield new Uint8Array(101)
        yield bytes(2)
      } finally {
        cleaned = true
      }
    })
    const reading = errorOf(collect(duplex.calling.stream('big', bytes(), 5_000)))
    await duplex.settle()
    expect(await reading).toMatchObject({ name: 'MessageTooLargeError' })
    expect(cleaned).toBe(true)
  })

  it('that sends more than its credit breaks the protocol', async () => {
    const duplex = createDuplex({ windowItems: 2 })
    const next = duplex.calling.stream('evil', bytes(), 100).next()
    duplex.calling.receive({ type: 'item', id: 1, payload: bytes(1) })
    duplex.calling.receive({ type: 'item', id: 1, payload: bytes(2) })
    expect(() => duplex.calling.receive({ type: 'item', id: 1, payload: bytes(3) })).toThrow(
      expect.objectContaining({ name: 'MalformedMessageError' })
    )
    await next
  })

  it('counts as running until its handler has cleaned up', async () => {
    const duplex = createDuplex()
    const cleanedUp = Promise.withResolvers<void>()
    duplex.methods.addStream(
      'slow',
      async function* () {
        try {
          yield bytes(1)
          await new Promise(() => {})
        } finally {
          await cleanedUp.promise
        }
      },
      { concurrencyMax: 1 }
    )
    const iterator = duplex.calling.stream('slow', bytes(), 5_000)
    const first = iterator.next()
    await duplex.settle()
    await first
    await iterator.return()
    await duplex.settle()
    const refused = errorOf(duplex.calling.stream('slow', bytes(), 5_000).next())
    await duplex.settle()
    expect(await refused).toMatchObject({ name: 'OverloadedError' })
    cleanedUp.resolve()
  })
})
