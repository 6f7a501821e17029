import type { DeadLetter } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { describe, expect, it } from 'vitest'
import { DeadLetterRecord, sealRecord } from '../src/core/records.ts'
import { encodeSignal } from '../src/core/wire.ts'
import { deadLettersMax } from '../src/defaults.ts'
import { createSignals } from '../src/index.ts'
import type { SignalBus } from '../src/index.ts'
import { settle, testCluster, VirtualClock } from './fakes.ts'

const atLeastOnce = { delivery: 'at-least-once' } as const

interface Alone {
  readonly bus: SignalBus
  readonly got: unknown[]
  /** Whether the handler throws. */
  failing: boolean
}

/** A peer alone with one dead letter. */
async function withLetter(store = createMemoryStore()): Promise<Alone> {
  const bus = createSignals({ peer: 'me', clock: new VirtualClock(), store })
  const alone: Alone = { bus, got: [], failing: true }
  await bus.start()
  await bus.subscribeDurably(
    'order.*',
    async ({ data }) => {
      await settle()
      if (alone.failing) {
        throw new Error('not now')
      }
      alone.got.push(data)
    },
    { name: 'all', attemptsMax: 1 }
  )
  await bus.publish({ type: 'order.created', data: 1 }, atLeastOnce)
  for (let turn = 0; turn < 5; turn += 1) {
    await settle()
  }
  return alone
}

describe('a dead letter', () => {
  it('that is redriven twice at once is handled once', async () => {
    const alone = await withLetter()
    const { deadLetters } = alone.bus
    const [letter] = await deadLetters.list()
    const id = letter?.id ?? ''
    alone.failing = false
    const results = await Promise.all([deadLetters.redrive(id), deadLetters.redrive(id)])
    expect(results).toMatchObject([{ accepted: true }, { accepted: true }])
    expect(alone.got).toEqual([1])
    await expect(deadLetters.redrive(id)).rejects.toMatchObject({ name: 'InvalidParametersError' })
  })

  it('is not redriven by who has aborted that', async () => {
    const alone = await withLetter()
    const { deadLetters } = alone.bus
    const [letter] = await deadLetters.list()
    alone.failing = false
    const aborted = deadLetters.redrive(letter?.id ?? '', { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ name: 'AbortedError' })
    expect(alone.got).toEqual([])
    expect(await deadLetters.list()).toHaveLength(1)
  })

  it('of the subscription of another peer goes to that peer and to no other', async () => {
    const cluster = testCluster()
    const view = (): string[] => ['a', 'b', 'c']
    const init = { components: { view }, init: { log: { ageMs: 5000 } } }
    const [a, b] = [await cluster.bus('a', init), await cluster.bus('b', init)]
    const c = await cluster.bus('c', init)
    const handled: unknown[] = []
    const subscribe = async (): Promise<{ close(): void }> => {
      const handler = ({ data }: { data?: unknown }): void => void handled.push(data)
      const subscribed = b.bus.subscribeDurably('order.*', handler, { name: 'all' })
      await cluster.clock.advance(500)
      return await subscribed
    }
    const subscription = await subscribe()
    subscription.close()
    c.listen('order.*')
    const published = a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce)
    await cluster.clock.advance(10_000)
    expect(await published).toMatchObject({ accepted: true })
    const [letter] = await a.bus.deadLetters.list()
    expect(letter).toMatchObject({ peer: 'b', reason: expect.stringContaining('leave the log') })
    await subscribe()
    const redriven = a.bus.deadLetters.redrive(letter?.id ?? '')
    await cluster.clock.advance(2000)
    expect(await redriven).toMatchObject({ accepted: true, recipients: ['b'] })
    expect(handled).toEqual([1])
    expect(c.got).toEqual([1])
  })

  it('that has to go for want of room is told with its reason, as no damage', async () => {
    const store = createMemoryStore()
    const key = (number: number): string => `x/${String(number).padStart(16, '0')}`
    const oldest = {
      subscription: 'me/all',
      author: 'me',
      reason: 'the oldest',
      attempts: 1,
      time: 1,
      channel: '',
      signal: encodeSignal({ specversion: '1.0', id: 'first', source: '/x', type: 'order.x' })
    }
    const value = sealRecord(DeadLetterRecord.encode(oldest))
    const operations = Array.from({ length: deadLettersMax }, (_, index) => ({
      key: key(index + 1),
      value: index === 0 ? value : new Uint8Array(1)
    }))
    await store.write(operations, { sync: false })
    const dropped: DeadLetter[] = []
    const corrupt: string[] = []
    const bus = createSignals({ peer: 'me', clock: new VirtualClock(), store })
    bus.events.addEventListener('dead-letter-dropped', ({ detail }) => dropped.push(detail))
    bus.events.addEventListener('corrupt', ({ detail }) => corrupt.push(detail.key))
    await bus.start()
    const fail = (): never => {
      throw new Error('not now')
    }
    await bus.subscribeDurably('order.*', fail, { name: 'all', attemptsMax: 1 })
    await bus.publish({ type: 'order.created', data: 1 }, atLeastOnce)
    await settle()
    await settle()
    expect(dropped).toMatchObject([{ reason: 'the oldest', signal: { id: 'first' } }])
    expect(corrupt).toEqual([])
    expect(bus.counters()).toMatchObject({ 'dead-letter-dropped': 1 })
    expect(bus.counters()).not.toHaveProperty('corrupt')
  })
})

describe('a signal that is too old', () => {
  it('leaves the log also where nothing comes any more', async () => {
    const clock = new VirtualClock()
    const bus = createSignals({ peer: 'me', clock }, { log: { ageMs: 1000 } })
    await bus.start()
    const subscribed = await bus.subscribeDurably('order.*', () => undefined, { name: 'all' })
    subscribed.close()
    await bus.publish({ type: 'order.created', data: 1 }, atLeastOnce)
    await clock.advance(3000)
    expect(await bus.replay()[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
    expect(await bus.deadLetters.list()).toMatchObject([
      { reason: expect.stringContaining('leave the log') }
    ])
  })
})

describe('a request that cannot be read', () => {
  it('is refused and counted, whatever it is for', async () => {
    const cluster = testCluster()
    const b = await cluster.bus('b')
    const methods = ['push', 'pull', 'exchange', 'register', 'progress', 'deliver']
    for (const method of methods) {
      const called = cluster.rpc.call(
        'a',
        'b',
        `signals.${method}`,
        new Uint8Array(3),
        cluster.clock
      )
      await expect(called).rejects.toMatchObject({ name: 'MalformedMessageError' })
    }
    const large = cluster.rpc.call('a', 'b', 'signals.push', new Uint8Array(2e6), cluster.clock)
    await expect(large).rejects.toMatchObject({ name: 'MalformedMessageError' })
    expect(b.bus.counters()).toEqual({ 'rejected:malformed': methods.length + 1 })
  })
})
