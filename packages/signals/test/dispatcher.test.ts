import type { Signal } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { Dispatcher } from '../src/core/dispatcher.ts'
import { settle } from './fakes.ts'

function dispatcher(): {
  subject: Dispatcher
  topics: [number, boolean][]
  failures: string[]
  send: (type: string, data?: unknown) => Promise<{ delivered: number; dropped: number }>
} {
  const topics: [number, boolean][] = []
  const failures: string[] = []
  const subject = new Dispatcher({
    topic: (number, wanted) => topics.push([number, wanted]),
    delivered: () => undefined,
    dropped: () => undefined,
    replay: () => undefined,
    failed: (pattern) => failures.push(pattern)
  })
  return {
    subject,
    topics,
    failures,
    send: async (type, data) => {
      const signal: Signal = { specversion: '1.0', id: '1', source: '/x', type, data }
      return await subject.dispatch(signal, { author: 'me' }, { wait: true })
    }
  }
}

describe('dispatching', () => {
  it('calls handlers of high priority first, equal ones in order of subscription', async () => {
    const { send, subject } = dispatcher()
    const calls: string[] = []
    subject.subscribe('a.*', () => void calls.push('low'), { priority: -1 })
    subject.subscribe('a.*', () => void calls.push('first'), {})
    subject.subscribe('a.b', () => void calls.push('second'), {})
    subject.subscribe('**', () => void calls.push('high'), { priority: 9 })
    expect(await send('a.b')).toEqual({ delivered: 4, dropped: 0 })
    await settle()
    expect(calls).toEqual(['high', 'first', 'second', 'low'])
  })

  it('asks the filter, and takes a filter that throws for one that says no', async () => {
    const { failures, send, subject } = dispatcher()
    const got: unknown[] = []
    subject.subscribe('a', (signal) => void got.push(signal.data), {
      filter: (signal) => signal.data === 2
    })
    subject.subscribe('a', () => void got.push('never'), {
      filter: () => {
        throw new Error('broken')
      }
    })
    await send('a', 1)
    await send('a', 2)
    await settle()
    expect(got).toEqual([2])
    expect(failures).toEqual(['a', 'a'])
  })

  it('goes on after a handler that throws or rejects', async () => {
    const { failures, send, subject } = dispatcher()
    let calls = 0
    subject.subscribe(
      'a',
      () => {
        calls += 1
        if (calls === 1) {
          throw new Error('sync')
        }
        return calls === 2 ? Promise.reject(new Error('async')) : undefined
      },
      {}
    )
    await Promise.all([send('a'), send('a'), send('a')])
    await settle()
    expect(calls).toBe(3)
    expect(failures).toEqual(['a', 'a'])
  })

  it('does not let a slow handler delay another subscription', async () => {
    const { send, subject } = dispatcher()
    const got: unknown[] = []
    const slow = subject.subscribe('a', () => new Promise(() => undefined), { queueMax: 1 })
    subject.subscribe('a', (signal) => void got.push(signal.data), {})
    for (let data = 0; data < 10; data += 1) {
      await send('a', data)
    }
    await settle()
    expect(got).toHaveLength(10)
    expect(slow.dropped).toBe(8)
  })

  it('runs one handler call after the other', async () => {
    const { send, subject } = dispatcher()
    let running = 0
    let most = 0
    subject.subscribe(
      'a',
      async () => {
        running += 1
        most = Math.max(most, running)
        await settle()
        running -= 1
      },
      {}
    )
    await Promise.all([send('a'), send('a'), send('a')])
    await settle()
    await settle()
    expect(most).toBe(1)
  })

  it('handles a signal once where the handler aborts its subscription', async () => {
    const { send, subject } = dispatcher()
    const once = new AbortController()
    let calls = 0
    subject.subscribe(
      'a',
      () => {
        calls += 1
        once.abort()
      },
      { signal: once.signal }
    )
    await Promise.all([send('a'), send('a')])
    await settle()
    expect(calls).toBe(1)
    expect(subject.topics()).toEqual([])
    expect(await send('a')).toEqual({ delivered: 0, dropped: 0 })
  })

  it('ends a subscription with policy error when its queue is full, and reports it', async () => {
    const { failures, send, subject } = dispatcher()
    const signals = subject.iterate('a', { queueMax: 1, overflow: 'error' })
    const iterator = signals[Symbol.asyncIterator]()
    await send('a', 1)
    expect(await send('a', 2)).toEqual({ delivered: 0, dropped: 1 })
    expect(failures).toEqual(['a'])
    expect((await iterator.next()).value.data).toBe(1)
    await expect(iterator.next()).rejects.toMatchObject({ code: 'ERR_OVERLOADED' })
    expect(subject.topics()).toEqual([])
  })

  it('iterates from the moment it is asked, and ends with the loop', async () => {
    const { send, subject } = dispatcher()
    const signals = subject.iterate('a.**', {})
    await send('a.b', 1)
    await send('a', 2)
    const got: unknown[] = []
    for await (const signal of signals) {
      got.push(signal.data)
      if (got.length === 2) {
        break
      }
    }
    expect(got).toEqual([1, 2])
    expect(await send('a.b', 3)).toEqual({ delivered: 0, dropped: 0 })
  })

  it('tells once when a topic is needed and once when it is not', () => {
    const { subject, topics } = dispatcher()
    const first = subject.subscribe('a.b', () => undefined, {})
    const second = subject.subscribe('a.c', () => undefined, {})
    expect(topics).toHaveLength(1)
    first.close()
    first.close()
    expect(topics).toHaveLength(1)
    second.close()
    expect(topics.map(([, wanted]) => wanted)).toEqual([true, false])
    subject.subscribe('*', () => undefined, {})
    expect(subject.topics()).toHaveLength(16)
  })

  it.each([
    ['', {}],
    ['a.b*', {}],
    ['a', { queueMax: 0 }],
    ['a', { queueMax: 1.5 }],
    ['a', { priority: Number.NaN }],
    ['a', { overflow: 'explode' as 'error' }]
  ])('refuses pattern %j with %j and changes nothing', (pattern, options) => {
    const { subject } = dispatcher()
    expect(() => subject.subscribe(pattern, () => undefined, options)).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
    expect(subject.topics()).toEqual([])
  })
})
