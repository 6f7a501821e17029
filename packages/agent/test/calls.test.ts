import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { AgentRef, WorkCallOptions } from '@murmuration/agent'
import { createAgents, Session } from '@murmuration/agent'
import { encode } from '@murmuration/codec'
import type { SessionUnknownError } from '@murmuration/interface'
import { FakeCluster, settle } from './fake-cluster.ts'
import type { FakePeer } from './fake-cluster.ts'
import { named, outcomeOf } from './outcome.ts'
import { gates, station, steady } from './station.ts'

const types = [station, steady]

describe.each(['on the owner', 'from another peer'])('calls %s', (where) => {
  let cluster: FakeCluster
  let owner: FakePeer
  let caller: FakePeer
  let ref: AgentRef<typeof station>

  beforeEach(() => {
    gates.reset()
    cluster = new FakeCluster(['a', 'b', 'c'], { types, mailboxMax: 3 })
    owner = cluster.ownerOf(station.record('berlin'))
    caller = where === 'on the owner' ? owner : (cluster.othersThan(owner)[0] ?? owner)
    ref = caller.agents.agent(station, 'berlin')
  })
  afterEach(async () => {
    for (const open of gates.open) open()
    cluster.stop()
    await settle()
  })

  /** Lets time pass until a promise has settled. */
  async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
    promise.catch(() => undefined)
    await cluster.clock.advance(ms)
    await settle()
    const outcome = outcomeOf(promise)
    await settle()
    if (!outcome.done) throw new Error(`still waiting after ${ms} ms`)
    return promise
  }
  const value = async (): Promise<number> => (await within(10, ref.state())).value.count

  it('run the handler on the state and give its output', async () => {
    expect(await within(20, ref.call('add', 2))).toBe(2)
    expect(await within(20, ref.call('add', 3))).toBe(5)
    expect(await value()).toBe(5)
    expect(await within(20, ref.call('who', null))).toEqual({
      id: 'default/station/berlin',
      key: 'berlin',
      view: 1
    })
    expect(await within(20, ref.call('spread', 1))).toBe(6)
  })

  it('work by id as well', async () => {
    expect(await within(20, caller.agents.get('default/station/berlin').call('add', 2))).toBe(2)
    expect(() => caller.agents.get('default/unknown/x')).toThrow(named('UnknownAgentError'))
  })

  it('run one at a time, in the order they came', async () => {
    const all = [ref.call('slow', 1), ref.call('add', 2), ref.call('slow', 3), ref.call('add', 4)]
    await cluster.clock.advance(20)
    expect(gates.order).toEqual(['slow 1'])
    gates.open[0]?.()
    await cluster.clock.advance(20)
    expect(gates.order).toEqual(['slow 1', 'add 2', 'slow 3'])
    gates.open[1]?.()
    expect(await within(20, Promise.all(all))).toEqual([1, 3, 6, 10])
  })

  it('let the next turn begin when changes are applied, not when they are copied', async () => {
    cluster.copiesMs = 100
    const all = Promise.all([ref.call('add', 1), ref.call('add', 2), ref.call('add', 3)])
    expect(await within(110, all)).toEqual([1, 3, 6])
  })

  it('are refused when the mailbox is full, and begun nowhere', async () => {
    const waiting = [1, 2, 3, 4].map((n) => outcomeOf(ref.call('slow', n)))
    await cluster.clock.advance(10)
    const fifth = ref.call('slow', 5, { timeoutMs: 500 })
    await expect(within(600, fifth)).rejects.toEqual(
      named('OverloadedError', { overloaded: true, retryable: true, outcomeUnknown: false })
    )
    expect(owner.agents.running()).toMatchObject([{ waiting: 4, calls: 1 }])
    for (let i = 0; i < 4; i++) {
      gates.open[i]?.()
      await cluster.clock.advance(10)
    }
    expect(waiting.map((each) => each.value)).toEqual([1, 3, 6, 10])
  })

  it('get through once the mailbox has room again', async () => {
    for (const n of [1, 2, 3, 4]) outcomeOf(ref.call('slow', n))
    await cluster.clock.advance(10)
    const retries: unknown[] = []
    const late = outcomeOf(ref.call('add', 5, { onRetry: (cause) => retries.push(cause) }))
    await cluster.clock.advance(100)
    for (let i = 0; i < 4; i++) {
      gates.open[i]?.()
      await cluster.clock.advance(10)
    }
    await cluster.clock.advance(300)
    expect(late.value).toBe(15)
    expect(retries[0]).toEqual(named('OverloadedError'))
  })

  it.each([
    ['plain', { name: 'RemoteHandlerError', message: 'RangeError: too much' }],
    ['late', { name: 'RemoteHandlerError', message: 'RangeError: too much' }],
    ['text', { name: 'RemoteHandlerError', message: 'just text' }],
    ['coded', { name: 'FundsError', code: 'ERR_FUNDS', message: 'no funds' }],
    ['typed', { name: 'SoldOutError', code: 'ERR_OWN', message: 'of the handler' }],
    ['retryable', { name: 'UnavailableError', retryable: true }],
    ['not-owner', { name: 'NotOwnerError', retryable: true }]
  ] as const)(
    'whose handler throws (%s) change nothing and are not repeated',
    async (how, error) => {
      await within(20, ref.call('add', 1))
      await expect(within(20, ref.call('fail', how))).rejects.toMatchObject({
        ...error,
        outcomeUnknown: false
      })
      expect(gates.runs).toBe(2)
      expect(await value()).toBe(1)
      expect(cluster.published.map(({ type }) => type)).toEqual(['station.added'])
      expect(await within(20, ref.call('add', 1))).toBe(2)
    }
  )

  it('are refused when the input or the output does not match', async () => {
    // What a program without types may pass.
    const wrong = 'one' as unknown as number
    await expect(within(20, ref.call('add', wrong))).rejects.toEqual(
      named('SchemaError', { message: expect.stringContaining('input of station.add') })
    )
    await expect(within(20, ref.call('lie', null))).rejects.toEqual(
      named('SchemaError', { message: expect.stringContaining('output of station.lie') })
    )
    expect(gates.runs).toBe(0)
    expect(await value()).toBe(0)
  })

  it('take schemas that validate asynchronously', async () => {
    expect(await within(20, ref.call('parsed', '41'))).toBe(41)
    await expect(within(20, ref.call('parsed', '90'))).rejects.toEqual(
      named('SchemaError', { message: expect.stringContaining('too large') })
    )
    expect(await value()).toBe(41)
  })

  it('refuse actions that the type does not have', async () => {
    const any = caller.agents.get('default/station/berlin')
    for (const action of ['none', 'toString', '__proto__']) {
      await expect(within(20, any.call(action, 1))).rejects.toEqual(named('UnknownAgentError'))
    }
  })

  it('carry values alike wherever the agent is: copies, and the same refusals', async () => {
    const input = { list: [1, 2n, null, 'x'], bytes: new Uint8Array([1]) }
    const output = await within(20, ref.call('echo', input))
    expect(output).toEqual(input)
    expect(output).not.toBe(input)
    expect(await within(20, ref.call('echo', undefined))).toBeUndefined()
    expect(await within(20, ref.call('echo', 0))).toBe(0)
    for (const bad of [new Date(), Number.NaN, () => 1, new Map()]) {
      await expect(within(20, ref.call('echo', bad))).rejects.toEqual(
        named('InvalidParametersError', { outcomeUnknown: false })
      )
    }
    await expect(within(20, ref.call('keep', 'function'))).rejects.toEqual(named('SchemaError'))
    expect(await value()).toBe(0)
  })

  it('count once under a known key, without running the handler again', async () => {
    const session = new Session('mine')
    const idempotencyKey = session.open()
    expect(await within(20, ref.call('add', 2, { idempotencyKey }))).toBe(2)
    expect(await within(20, ref.call('add', 5))).toBe(7)
    expect(await within(20, ref.call('add', 2, { idempotencyKey }))).toBe(2)
    expect(gates.runs).toBe(2)
    expect(await value()).toBe(7)
    expect(cluster.published).toHaveLength(2)
  })

  it('join the first run of their key while it is under way', async () => {
    const idempotencyKey = new Session('mine').open()
    const both = Promise.all([
      ref.call('slow', 2, { idempotencyKey }),
      ref.call('slow', 2, { idempotencyKey })
    ])
    await cluster.clock.advance(10)
    gates.open[0]?.()
    expect(await within(20, both)).toEqual([2, 2])
    expect(gates.runs).toBe(1)
    expect(cluster.published).toHaveLength(1)
  })

  it('stay wanted while one of those waits that asked with their key', async () => {
    const idempotencyKey = new Session('mine').open()
    outcomeOf(ref.call('slow', 1))
    const stop = new AbortController()
    const first = outcomeOf(ref.call('slow', 2, { idempotencyKey, signal: stop.signal }))
    const second = outcomeOf(ref.call('slow', 2, { idempotencyKey }))
    await cluster.clock.advance(10)
    stop.abort()
    await cluster.clock.advance(10)
    expect(first.error).toEqual(named('AbortedError', { outcomeUnknown: true }))
    gates.open[0]?.()
    await cluster.clock.advance(10)
    expect(gates.signals[1]?.aborted).toBe(false)
    gates.open[1]?.()
    await cluster.clock.advance(10)
    expect(second.value).toBe(3)
  })

  it('run again under their key after all who waited for the first run had gone', async () => {
    const idempotencyKey = new Session('mine').open()
    outcomeOf(ref.call('slow', 1))
    const stop = new AbortController()
    const first = outcomeOf(ref.call('add', 2, { idempotencyKey, signal: stop.signal }))
    await cluster.clock.advance(10)
    stop.abort()
    await cluster.clock.advance(10)
    const second = outcomeOf(ref.call('add', 2, { idempotencyKey }))
    await cluster.clock.advance(10)
    gates.open[0]?.()
    await cluster.clock.advance(20)
    expect(first.error).toEqual(named('AbortedError'))
    expect(second.value).toBe(3)
    expect(gates.order).toEqual(['slow 1', 'add 2'])
  })

  it('do not share the fate of a first run that was told to stop', async () => {
    const idempotencyKey = new Session('mine').open()
    const stop = new AbortController()
    const first = outcomeOf(ref.call('obedient', 2, { idempotencyKey, signal: stop.signal }))
    await cluster.clock.advance(10)
    stop.abort()
    const second = outcomeOf(ref.call('obedient', 2, { idempotencyKey }))
    await cluster.clock.advance(20)
    gates.open[1]?.()
    await cluster.clock.advance(20)
    expect(first.error).toEqual(named('AbortedError'))
    expect(second.value).toBe(2)
  })

  it('are not begun when nobody waits for them any more', async () => {
    outcomeOf(ref.call('slow', 1))
    const stop = new AbortController()
    outcomeOf(ref.call('add', 2, { signal: stop.signal }))
    const late = outcomeOf(ref.call('add', 3, { timeoutMs: 50 }))
    await cluster.clock.advance(10)
    stop.abort()
    await cluster.clock.advance(100)
    gates.open[0]?.()
    await cluster.clock.advance(20)
    expect(late.error).toEqual(named('DeadlineExceededError'))
    expect(gates.order).toEqual(['slow 1'])
    expect(await value()).toBe(1)
  })

  it('are answered from the first run that a merge brings while they run', async () => {
    const { session, sequence, lowest } = new Session('mine').open()
    const idempotencyKey = { session, sequence, lowest }
    const second = outcomeOf(ref.call('slow', 1, { idempotencyKey }))
    await cluster.clock.advance(10)
    cluster.storedOf(ref.id).keys.set(`${session}:${sequence}`, {
      result: encode({ output: 42 }),
      version: {},
      epoch: { view: 1, boot: 1 },
      copies: 2,
      duplicate: false
    })
    gates.open[0]?.()
    await cluster.clock.advance(20)
    expect(second.value).toBe(42)
    expect(await value()).toBe(0)
    expect(cluster.published).toEqual([])
  })

  it('are refused under a key that its session has confirmed', async () => {
    const old = { session: 'mine', sequence: 3, lowest: 3 }
    await within(20, ref.call('add', 1, { idempotencyKey: { ...old, sequence: 9, lowest: 9 } }))
    await expect(within(20, ref.call('add', 1, { idempotencyKey: old }))).rejects.toEqual(
      named('KeyExpiredError')
    )
    expect(await value()).toBe(1)
  })

  it('open their session again where the owner has forgotten some, and count once', async () => {
    expect(await within(20, ref.call('add', 1))).toBe(1)
    cluster.forgetSessions(ref.id)
    expect(await within(200, ref.call('add', 1))).toBe(2)
    cluster.forgetSessions(ref.id)
    expect(await within(200, ref.call('add', 1))).toBe(3)
    const runs = owner.agents.running()[0]?.calls
    // What was told then is remembered: nothing is sent twice.
    expect(await within(20, ref.call('add', 1))).toBe(4)
    expect(runs).toBe(3)
  })

  it('are refused under a key of which the owner may have forgotten the session', async () => {
    const idempotencyKey = { session: 'mine', sequence: 3, lowest: 3 }
    await within(20, ref.call('add', 1, { idempotencyKey }))
    cluster.forgetSessions(ref.id)
    const refused = outcomeOf(ref.call('add', 1, { idempotencyKey }))
    await within(20, ref.state())
    expect(refused.error).toEqual(named('SessionUnknownError'))
    expect(refused.error).toMatchObject({ outcomeUnknown: false, retryable: false })
    expect(await value()).toBe(1)
    const { since } = refused.error as SessionUnknownError
    const never = { session: 'mine', sequence: 4, lowest: 4, since }
    expect(await within(20, ref.call('add', 1, { idempotencyKey: never }))).toBe(2)
  })

  it('do not lower or raise the floor of a session that is not theirs', async () => {
    const session = new Session('mine')
    const early = session.open()
    for (let i = 0; i < 5; i++) await within(20, ref.call('add', 1))
    const idempotencyKey = session.open()
    await within(20, ref.call('add', 1, { idempotencyKey }))
    expect(await within(20, ref.call('add', 1, { idempotencyKey: early }))).toBe(7)
  })

  it('emit only when the changes are acknowledged', async () => {
    cluster.copiesMs = 50
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(40)
    expect(gates.runs).toBe(1)
    expect(cluster.published).toEqual([])
    await cluster.clock.advance(20)
    expect(call.value).toBe(1)
    expect(cluster.published).toEqual([
      { source: 'agent:default/station/berlin', type: 'station.added', data: 1 }
    ])
  })

  it('emit nothing when the changes are not acknowledged, and once when they are later', async () => {
    cluster.copiesMs = Infinity
    const session = new Session('mine')
    const idempotencyKey = session.open()
    const call = ref.call('add', 1, { idempotencyKey, timeoutMs: 300 })
    await expect(within(400, call)).rejects.toEqual(
      named('DeadlineExceededError', { outcomeUnknown: true })
    )
    expect(cluster.published).toEqual([])
    cluster.copiesMs = 1
    expect(await within(20, ref.call('add', 1, { idempotencyKey }))).toBe(1)
    expect(await within(20, ref.call('add', 1, { idempotencyKey }))).toBe(1)
    expect(gates.runs).toBe(1)
    expect(cluster.published).toHaveLength(1)
  })

  it('publish the signals of a handler that changes nothing as well', async () => {
    await within(20, ref.call('peek', null))
    expect(cluster.published.map(({ type }) => type)).toEqual(['station.peeked'])
  })

  it('may emit so many signals, and none after the handler has ended', async () => {
    await within(20, ref.call('chatty', 256))
    await expect(within(20, ref.call('chatty', 257))).rejects.toEqual(
      named('InvalidParametersError')
    )
    expect(cluster.published).toHaveLength(256)
    expect(() => gates.emitLater?.({ type: 'late' })).toThrow('after the handler had ended')
  })

  it('end at their deadline with an unknown outcome when the handler hangs', async () => {
    const call = ref.call('slow', 1, { timeoutMs: 500 })
    await expect(within(510, call)).rejects.toEqual(
      named('DeadlineExceededError', { outcomeUnknown: true })
    )
    // It goes on: that is what unknown means.
    expect(gates.signals[0]?.aborted).toBe(true)
    expect(owner.agents.running()).toMatchObject([{ waiting: 1, busyMs: expect.any(Number) }])
    gates.open[0]?.()
    await cluster.clock.advance(10)
    expect(await value()).toBe(1)
    expect(owner.agents.running()).toMatchObject([{ waiting: 0, busyMs: 0 }])
  })

  it('end at once when their signal fires, before or during', async () => {
    const before: WorkCallOptions = { signal: AbortSignal.abort() }
    await expect(within(1, ref.call('add', 1, before))).rejects.toEqual(
      named('AbortedError', { outcomeUnknown: false })
    )
    const stop = new AbortController()
    const call = ref.call('slow', 1, { signal: stop.signal })
    const outcome = outcomeOf(call)
    await cluster.clock.advance(10)
    stop.abort()
    await settle()
    expect(outcome.error).toEqual(named('AbortedError', { outcomeUnknown: true }))
    await cluster.clock.advance(10)
    expect(gates.signals[0]?.aborted).toBe(true)
  })

  it('refuse a deadline that is none', async () => {
    for (const timeoutMs of [0, -1, Number.NaN, Infinity]) {
      await expect(within(1, ref.call('add', 1, { timeoutMs }))).rejects.toEqual(
        named('InvalidParametersError')
      )
    }
    await expect(within(1, ref.call('add', 1, { consistency: 'strong' }))).rejects.toEqual(
      named('ConsistencyUnavailableError')
    )
  })

  it('tell of a handler that does not return, once', async () => {
    outcomeOf(ref.call('slow', 1, { timeoutMs: 60_000 }))
    await cluster.clock.advance(40_000)
    expect(cluster.log.filter((line) => line === 'a handler does not return')).toHaveLength(1)
    expect(owner.agents.running()[0]?.busyMs).toBeGreaterThan(39_000)
  })

  it('start the agent again after it was stopped, also out of a handler that hangs', async () => {
    const hung = outcomeOf(ref.call('slow', 1))
    const queued = outcomeOf(ref.call('add', 2))
    await cluster.clock.advance(10)
    expect(owner.agents.end(ref.id)).toBe(true)
    expect(owner.agents.end(ref.id)).toBe(false)
    expect(owner.agents.epochOf(ref.id)).toBeUndefined()
    await cluster.clock.advance(300)
    // The hung one was repeated on the new activation, where it hangs again.
    const before = await value()
    gates.open[0]?.()
    await cluster.clock.advance(50)
    // The old one cannot change anything any more.
    expect(await value()).toBe(before)
    gates.open[1]?.()
    await cluster.clock.advance(300)
    expect(new Set([hung.value, queued.value])).toEqual(
      new Set(queued.value === 2 ? [2, 3] : [1, 3])
    )
    expect(await value()).toBe(3)
  })

  it('pause for a second, and then say so', async () => {
    await within(20, ref.call('add', 1))
    for (const peer of cluster.peers.values()) peer.partition.set(true)
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(900)
    expect(call.done).toBe(false)
    await cluster.clock.advance(400)
    expect(call.error).toEqual(named('PausedError', { retryable: true, outcomeUnknown: false }))
    const soon = ref.call('add', 1, { timeoutMs: 200 })
    await expect(within(300, soon)).rejects.toEqual(named('PausedError'))
    await expect(within(1_300, ref.state())).rejects.toEqual(named('PausedError'))
    expect((await within(20, ref.state({ stale: true }))).value.count).toBe(1)
    expect(await within(20, caller.agents.agent(steady, 'x').call('add', 1))).toBe(1)
    await expect(within(1, owner.agents.begin(station.record('berlin')))).rejects.toEqual(
      named('PausedError')
    )
  })

  it('go on when the pause ends soon', async () => {
    for (const peer of cluster.peers.values()) peer.partition.set(true)
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(500)
    for (const peer of cluster.peers.values()) peer.partition.set(false)
    await cluster.clock.advance(500)
    expect(call.value).toBe(1)
  })

  it('are counted by outcome, with their time', async () => {
    await within(20, ref.call('add', 1))
    outcomeOf(ref.call('fail', 'typed'))
    await cluster.clock.advance(20)
    expect(Object.fromEntries(caller.counts)).toEqual({ done: 1, SoldOutError: 1 })
    expect(caller.seconds).toHaveLength(2)
    expect(owner.gauges.get('murmuration_agent_activations')?.()).toBe(1)
  })
})

describe('calls within one process', () => {
  it('end in their own turn where the handler does, and leave nothing to clean up', async () => {
    const cluster = new FakeCluster(['a'], { types })
    onTestFinished(() => cluster.stop())
    const local = cluster.on('a').agents.agent(station, 'berlin')
    outcomeOf(local.call('add', 1))
    await cluster.clock.advance(20)
    const timers = cluster.clock.pending
    let value: unknown
    void local.call('peek', null).then((got) => {
      value = got
    })
    // Neither a timer nor a message: the promise is settled already.
    await Promise.resolve()
    await Promise.resolve()
    expect(value).toBe(1)
    expect(cluster.clock.pending).toBe(timers)
  })
})

describe('agents of a peer', () => {
  let cluster: FakeCluster
  beforeEach(() => gates.reset())
  afterEach(() => cluster.stop())

  it('leave memory when they are idle, and come back with their state', async () => {
    cluster = new FakeCluster(['a'], { types, idleMs: 1_000 })
    const { agents } = cluster.on('a')
    const ref = agents.agent(station, 'berlin')
    const first = outcomeOf(ref.call('add', 1))
    outcomeOf(agents.begin(station.record('rome')))
    await cluster.clock.advance(100)
    expect(first.value).toBe(1)
    expect(agents.running()).toHaveLength(2)
    const hung = outcomeOf(ref.call('slow', 1, { timeoutMs: 5_000 }))
    await cluster.clock.advance(2_000)
    expect(agents.running().map(({ id }) => id)).toEqual(['default/station/berlin'])
    gates.open[0]?.()
    await cluster.clock.advance(2_000)
    expect(hung.value).toBe(2)
    expect(agents.running()).toEqual([])
    const again = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(10)
    expect(again.value).toBe(3)
  })

  it('do not leave listeners behind when they leave memory', async () => {
    cluster = new FakeCluster(['a'], { types, idleMs: 1_000 })
    const peer = cluster.on('a')
    const record = station.record('berlin')
    const owning = peer.state.own(record)
    await cluster.clock.advance(1)
    const { signal } = await owning
    let listeners = 0
    signal.addEventListener = () => void listeners++
    signal.removeEventListener = () => void listeners--
    for (let i = 0; i < 5; i++) {
      outcomeOf(peer.agents.agent(station, 'berlin').call('slow', 1))
      await cluster.clock.advance(10)
      gates.open.pop()?.()
      await cluster.clock.advance(3_000)
      expect(peer.agents.running()).toEqual([])
    }
    expect(listeners).toBe(0)
  })

  it('are limited in number', async () => {
    cluster = new FakeCluster(['a'], { types, activationsMax: 2 })
    const { agents } = cluster.on('a')
    for (const key of ['1', '2']) outcomeOf(agents.agent(station, key).call('add', 1))
    await cluster.clock.advance(10)
    const third = outcomeOf(agents.agent(station, '3').call('add', 1, { timeoutMs: 100 }))
    await cluster.clock.advance(200)
    expect(third.error).toEqual(named('ClusterAtCapacityError'))
    agents.end('default/station/1')
    const fourth = outcomeOf(agents.agent(station, '4').call('add', 1))
    await cluster.clock.advance(200)
    expect(fourth.value).toBe(1)
  })

  it('start once for all who ask, and not at the mercy of the first', async () => {
    cluster = new FakeCluster(['a'], { types })
    const peer = cluster.on('a')
    peer.state.ownMs = 100
    const stop = new AbortController()
    const first = outcomeOf(peer.agents.begin(station.record('berlin'), { signal: stop.signal }))
    const second = outcomeOf(peer.agents.agent(station, 'berlin').call('add', 1))
    await cluster.clock.advance(10)
    stop.abort()
    await cluster.clock.advance(200)
    expect(first.error).toEqual(named('AbortedError'))
    expect(second.value).toBe(1)
    expect(peer.state.owns).toBe(1)
    expect(peer.agents.epochOf('default/station/berlin')).toEqual({ view: 1, boot: 1 })
  })

  it('are placed by the definition of their owner, whatever others say', async () => {
    cluster = new FakeCluster(['a'], { types })
    const epoch = outcomeOf(
      cluster.on('a').agents.begin({ ...station.record('x'), placement: 'pinned', replicas: 1 })
    )
    await cluster.clock.advance(10)
    expect(epoch.value).toEqual({ view: 1, boot: 1 })
    const unknown = outcomeOf(
      cluster.on('a').agents.begin({ id: 'default/none/x', placement: 'hash', replicas: 1 })
    )
    await settle()
    expect(unknown.error).toEqual(named('UnknownAgentError'))
  })

  it('do not start on a document that moved away meanwhile', async () => {
    cluster = new FakeCluster(['a'], { types })
    const { agents, state } = cluster.on('a')
    const own = state.own.bind(state)
    state.own = async (record) => ({ ...(await own(record)), signal: AbortSignal.abort() })
    const begun = outcomeOf(agents.begin(station.record('berlin')))
    await cluster.clock.advance(10)
    expect(begun.error).toEqual(named('NotOwnerError'))
    expect(agents.running()).toEqual([])
    state.own = own
    const call = outcomeOf(agents.agent(station, 'berlin').call('add', 1))
    await cluster.clock.advance(10)
    expect(call.value).toBe(1)
  })

  it('stop with everything they began, and leave no timer', async () => {
    cluster = new FakeCluster(['a', 'b'], { types })
    const owner = cluster.ownerOf(station.record('berlin'))
    const [other] = cluster.othersThan(owner)
    if (other === undefined) throw new Error('no other peer')
    const local = outcomeOf(owner.agents.agent(station, 'berlin').call('slow', 1))
    const queued = outcomeOf(owner.agents.agent(station, 'berlin').call('add', 1))
    const remote = outcomeOf(other.agents.agent(station, 'berlin').call('add', 1))
    const watching = owner.agents.agent(station, 'berlin').watch()[Symbol.asyncIterator]()
    const watch = outcomeOf(watching.next().then(() => watching.next()))
    await cluster.clock.advance(10)
    await other.agents.stop()
    await owner.agents.stop()
    await owner.agents.stop()
    await settle()
    const stopped = named('NotStartedError', { outcomeUnknown: true })
    expect([local.error, queued.error, remote.error]).toEqual([stopped, stopped, stopped])
    expect(watch.error).toEqual(named('NotStartedError'))
    const after = outcomeOf(owner.agents.agent(station, 'berlin').call('add', 1))
    await settle()
    expect(after.error).toEqual(named('NotStartedError', { outcomeUnknown: false }))
    expect(owner.agents.running()).toEqual([])
    // What is left belongs to the network, whose calls were not cancelled.
    await cluster.clock.advance(20)
    gates.open[0]?.()
    await cluster.clock.advance(20)
    const left = cluster.clock.pending
    await cluster.clock.advance(600_000)
    expect(left).toBeLessThanOrEqual(1)
    expect(cluster.clock.pending).toBe(0)
  })

  it('can be started again', async () => {
    cluster = new FakeCluster(['a'], { types })
    const { agents } = cluster.on('a')
    await agents.stop()
    await agents.start()
    const call = outcomeOf(agents.agent(station, 'berlin').call('add', 1))
    await cluster.clock.advance(10)
    expect(call.value).toBe(1)
  })

  it('refuse types of one name, and limits that are none', () => {
    cluster = new FakeCluster(['a'], { types })
    const { components } = cluster.on('a')
    const refused = named('InvalidParametersError')
    expect(() => createAgents(components, { types: [station, station] })).toThrow(refused)
    for (const wrong of [{ mailboxMax: 0 }, { idleMs: Infinity }, { activationsMax: 1.5 }]) {
      expect(() => createAgents(components, { types, ...wrong })).toThrow(refused)
    }
  })

  it('tell a handler that there is no bus to emit to', async () => {
    cluster = new FakeCluster(['a'], { types })
    const { components } = cluster.on('a')
    const { signals: _, metrics: __, ...others } = components
    await cluster.on('a').agents.stop()
    const agents = createAgents(others, { types })
    await agents.start()
    const call = outcomeOf(agents.agent(station, 'berlin').call('add', 1))
    await cluster.clock.advance(10)
    expect(call.error).toEqual(named('InvalidParametersError'))
    expect(await agents.agent(station, 'berlin').stop()).toBe(true)
    await agents.stop()
  })
})
