import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeDocument, counter } from '@murmuration/crdt'
import type { AgentRef } from '@murmuration/agent'
import { defineAgent } from '@murmuration/agent'
import { z } from 'zod'
import { FakeCluster, settle } from './fake-cluster.ts'
import type { FakePeer } from './fake-cluster.ts'
import { named, outcomeOf } from './outcome.ts'
import { gates, station, steady } from './station.ts'

const session = defineAgent({
  type: 'session',
  state: { n: counter() },
  consistency: 'session',
  actions: {}
})
const types = [station, steady, session]

describe('state from afar', () => {
  let cluster: FakeCluster
  let owner: FakePeer
  let caller: FakePeer
  let ref: AgentRef<typeof station>
  let rest: string[]

  beforeEach(() => {
    gates.reset()
    cluster = new FakeCluster(['a', 'b', 'c'], { types }, ['edge', 'edge2'])
    owner = cluster.ownerOf(station.record('berlin'))
    caller = cluster.on('edge')
    ref = caller.agents.agent(station, 'berlin')
    rest = ['a', 'b', 'c'].filter((peer) => peer !== owner.name)
  })
  afterEach(async () => {
    cluster.stop()
    await settle()
  })

  async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
    const outcome = outcomeOf(promise)
    await cluster.clock.advance(ms)
    await settle()
    if (!outcome.done) throw new Error(`still waiting after ${ms} ms`)
    return promise
  }
  const value = async (): Promise<{ count: number; last: string | undefined }> =>
    (await within(20, ref.state())).value

  it('is updated by operations that travel, and tells how they were acknowledged', async () => {
    const result = await within(
      20,
      ref.update((draft) => {
        draft.count.increment(2)
        draft.last.set('x')
      })
    )
    expect(result).toEqual({
      version: { [`${owner.name}#1`]: 2 },
      epoch: { view: 1, boot: 1 },
      copies: 2,
      duplicate: false
    })
    expect(await value()).toMatchObject({ count: 2, last: 'x' })
  })

  it('shows an update to the next one, without another read', async () => {
    const add = (): Promise<unknown> =>
      within(
        20,
        ref.update((draft) => draft.last.set(`${draft.last.value ?? ''}x`))
      )
    await add()
    const { reads } = caller.state
    await add()
    await add()
    expect(caller.state.reads).toBe(reads)
    expect((await value()).last).toBe('xxx')
  })

  it('shows a call to the next update', async () => {
    await within(
      20,
      ref.update((draft) => draft.count.increment())
    )
    await within(20, ref.call('add', 5))
    let seen = 0
    await within(
      20,
      ref.update((draft) => {
        seen = draft.count.value
        draft.count.increment()
      })
    )
    expect(seen).toBe(6)
  })

  it('loses no update of others, and sees it a second later', async () => {
    const other = cluster.on('edge2').agents.agent(station, 'berlin')
    await within(
      20,
      ref.update((draft) => draft.count.increment())
    )
    await within(
      20,
      other.update((draft) => draft.count.increment(10))
    )
    await within(
      20,
      ref.update((draft) => draft.count.increment(100))
    )
    expect((await value()).count).toBe(111)
    await within(
      20,
      other.update((draft) => draft.count.increment(1_000))
    )
    await cluster.clock.advance(1_000)
    let seen = 0
    await within(
      20,
      ref.update((draft) => {
        seen = draft.count.value
        draft.tags.add('seen')
      })
    )
    expect(seen).toBe(1_111)
  })

  it('counts concurrent updates of one reference all', async () => {
    await within(
      20,
      ref.update((draft) => draft.count.increment())
    )
    const all = Array.from({ length: 20 }, () => ref.update((draft) => draft.count.increment()))
    await within(50, Promise.all(all))
    expect((await value()).count).toBe(21)
    let seen = 0
    await within(
      20,
      ref.update((draft) => void (seen = draft.count.value))
    )
    expect(seen).toBe(21)
  })

  it('counts an update once that is sent again', async () => {
    cluster.copiesMs = 20
    const update = outcomeOf(ref.update((draft) => draft.count.increment()))
    await cluster.clock.advance(15)
    cluster.kill(owner.name)
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(100)
    expect(update.value).toMatchObject({ duplicate: true, epoch: { view: 1, boot: 1 } })
    expect((await value()).count).toBe(1)
  })

  it('reads again after an update whose outcome is unknown', async () => {
    await within(
      20,
      ref.update((draft) => draft.count.increment())
    )
    cluster.copiesMs = Infinity
    const lost = outcomeOf(ref.update((draft) => draft.count.increment(), { timeoutMs: 100 }))
    await cluster.clock.advance(150)
    expect(lost.error).toEqual(named('DeadlineExceededError'))
    cluster.copiesMs = 1
    let seen = 0
    await within(
      20,
      ref.update((draft) => void (seen = draft.count.value))
    )
    expect(seen).toBe(2)
  })

  it('is not changed by an update that records nothing, or throws, or is async', async () => {
    const nothing = await within(
      20,
      ref.update(() => undefined)
    )
    expect(nothing).toMatchObject({ version: {}, copies: 0, duplicate: false })
    const thrown = ref.update((draft) => {
      draft.count.increment()
      throw new RangeError('mine')
    })
    await expect(within(20, thrown)).rejects.toThrow('mine')
    const change: unknown = async () => undefined
    const late = ref.update(change as () => void) // as a program without types may
    await expect(within(20, late)).rejects.toEqual(named('InvalidParametersError'))
    expect((await value()).count).toBe(0)
  })

  it('does not carry large documents back and forth', async () => {
    const text = 'x'.repeat(3_000)
    await within(
      20,
      ref.update((draft) => draft.last.set(text))
    )
    const { reads } = caller.state
    await within(
      20,
      ref.update((draft) => draft.count.increment())
    )
    expect(caller.state.reads).toBe(reads + 1)
    expect(await value()).toMatchObject({ count: 1, last: text })
  })

  it('is read at the level that is asked for, and never stronger than it can be', async () => {
    const levels = caller.agents.agent(session, 'x')
    expect((await within(20, levels.state())).consistency).toBe('session')
    expect((await within(20, levels.state({ consistency: 'eventual' }))).consistency).toBe(
      'eventual'
    )
    expect(await within(20, levels.state({ stale: true }))).toMatchObject({
      consistency: 'eventual',
      epoch: undefined
    })
    const unavailable = named('ConsistencyUnavailableError')
    await expect(within(1, levels.state({ consistency: 'strong' }))).rejects.toEqual(unavailable)
    await expect(within(1, levels.state({ consistency: 'session', stale: true }))).rejects.toEqual(
      unavailable
    )
    await expect(
      within(
        1,
        levels.update(() => undefined, { consistency: 'strong' })
      )
    ).rejects.toEqual(unavailable)
  })

  it('is watched: now, and after changes, which come together', async () => {
    const stop = new AbortController()
    const seen: number[] = []
    const watching = outcomeOf(
      (async () => {
        for await (const { value: now } of ref.watch({ signal: stop.signal })) seen.push(now.count)
      })()
    )
    await cluster.clock.advance(20)
    expect(seen).toEqual([0])
    // Looking starts nothing.
    expect(owner.agents.running()).toEqual([])
    for (let i = 0; i < 5; i++) await within(2, Promise.resolve(outcomeOf(ref.call('add', 1))))
    await cluster.clock.advance(200)
    expect(seen.at(-1)).toBe(5)
    expect(seen.length).toBeLessThanOrEqual(3)
    stop.abort()
    await cluster.clock.advance(100)
    expect(watching).toEqual({ done: true, value: undefined })
  })

  it.each(['dies', 'freezes', 'loses the agent'])(
    'is watched on when its owner %s',
    async (how) => {
      const stop = new AbortController()
      const seen: [number, number | undefined][] = []
      const watching = outcomeOf(
        (async () => {
          for await (const { value: now, epoch } of ref.watch({ signal: stop.signal })) {
            seen.push([now.count, epoch?.view])
          }
        })()
      )
      await cluster.clock.advance(20)
      outcomeOf(ref.call('add', 1))
      await cluster.clock.advance(100)
      if (how === 'dies') cluster.kill(owner.name)
      if (how === 'freezes') cluster.freeze(owner.name)
      cluster.decide(rest, how === 'loses the agent' ? ['a', 'b', 'c', 'edge'] : [...rest, 'edge'])
      await cluster.clock.advance(300)
      expect(seen.at(-1)).toEqual([1, 2])
      outcomeOf(ref.call('add', 1))
      await cluster.clock.advance(300)
      expect(seen.at(-1)).toEqual([2, 2])
      stop.abort()
      await cluster.clock.advance(100)
      expect(watching).toEqual({ done: true, value: undefined })
    }
  )

  it('is watched until the loop is left', async () => {
    const watch = ref.watch()[Symbol.asyncIterator]()
    expect((await within(20, watch.next())).value.value.count).toBe(0)
    await within(20, Promise.resolve(watch.return?.()))
    const before = cluster.sent.length
    await cluster.clock.advance(1_000)
    expect(cluster.sent).toHaveLength(before)
  })

  it('is not shown to watchers while it is paused, and is after that', async () => {
    for (const peer of cluster.peers.values()) peer.partition.set(true)
    const seen: number[] = []
    const stop = new AbortController()
    outcomeOf(
      (async () => {
        for await (const { value: now } of ref.watch({ signal: stop.signal })) seen.push(now.count)
      })()
    )
    await cluster.clock.advance(2_000)
    expect(seen).toEqual([])
    for (const peer of cluster.peers.values()) peer.partition.set(false)
    await cluster.clock.advance(200)
    expect(seen).toEqual([0])
    stop.abort()
    await cluster.clock.advance(100)
  })

  it('is watched when it is too large for a message', async () => {
    const text = 'x'.repeat(200_000)
    await within(
      20,
      ref.update((draft) => draft.tags.add(`1${text}`))
    )
    await within(
      20,
      ref.update((draft) => draft.tags.add(`2${text}`))
    )
    await within(
      20,
      ref.update((draft) => draft.tags.add(`3${text}`))
    )
    const watch = ref.watch()[Symbol.asyncIterator]()
    const first = await within(20, watch.next())
    expect(first.value.value.tags).toHaveLength(3)
    await within(20, Promise.resolve(watch.return?.()))
  })

  it('cannot be watched where the type is not known', async () => {
    const unknown = defineAgent({ type: 'unknown', state: { n: counter() } })
    const watch = caller.agents.agent(unknown, 'x').watch()[Symbol.asyncIterator]()
    await expect(within(20, watch.next())).rejects.toEqual(named('UnknownAgentError'))
  })

  it('is written in the same bytes as by the operations themselves', async () => {
    await within(
      20,
      ref.update((draft) => draft.count.increment(3))
    )
    const { document } = cluster.storedOf(ref.id)
    expect(decodeDocument(document.encode()).value(station.state).count).toBe(3)
    expect(z.number().parse((await value()).count)).toBe(3)
  })
})
