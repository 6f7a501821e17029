import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AgentRef } from '@murmuration/agent'
import { AbortedError, NotStartedError } from '@murmuration/interface'
import { FakeCluster, settle } from './fake-cluster.ts'
import type { FakePeer } from './fake-cluster.ts'
import { named, outcomeOf } from './outcome.ts'
import { gates, station, steady } from './station.ts'

const types = [station, steady]

describe('calls while the cluster changes', () => {
  let cluster: FakeCluster
  let owner: FakePeer
  let caller: FakePeer
  let ref: AgentRef<typeof station>
  /** All peers but the owner. */
  let rest: string[]

  beforeEach(() => {
    gates.reset()
    // The caller is outside of the view, so it never becomes the owner.
    cluster = new FakeCluster(['a', 'b', 'c'], { types }, ['edge'])
    owner = cluster.ownerOf(station.record('berlin'))
    caller = cluster.on('edge')
    ref = caller.agents.agent(station, 'berlin')
    rest = ['a', 'b', 'c'].filter((peer) => peer !== owner.name)
  })
  afterEach(async () => {
    for (const open of gates.open) open()
    cluster.stop()
    await settle()
  })

  async function first(): Promise<void> {
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(20)
    expect(call.value).toBe(1)
  }

  it('catch up with the view and go to the new owner when the agent has moved', async () => {
    await first()
    cluster.decide(rest, ['a', 'b', 'c'])
    expect(caller.view.number).toBe(1)
    const retries: unknown[] = []
    const call = outcomeOf(ref.call('add', 1, { onRetry: (cause) => retries.push(cause) }))
    await cluster.clock.advance(20)
    expect(call.value).toBe(2)
    expect(caller.view.number).toBe(2)
    expect(retries).toEqual([named('NotOwnerError')])
    expect(cluster.ownerOf(station.record('berlin')).agents.running()).toHaveLength(1)
    expect(owner.agents.running()).toEqual([])
  })

  it('make an owner catch up that is behind its callers', async () => {
    await first()
    const next = rest[0] ?? ''
    cluster.decide([next], ['edge'])
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(50)
    expect(call.value).toBe(2)
    expect(cluster.on(next).view.number).toBe(2)
    expect(cluster.sent.filter((line) => line.startsWith(`edge>${next}`))).toHaveLength(1)
  })

  it('wait while the new owner does not know yet that it is one', async () => {
    await first()
    cluster.decide(rest, [owner.name, 'edge'])
    const next = cluster.ownerOf(station.record('berlin'))
    next.state.ownMs = 200
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(150)
    expect(call.done).toBe(false)
    await cluster.clock.advance(300)
    expect(call.value).toBe(2)
  })

  it('move with the agent, those that wait and those that run', async () => {
    const calls = [
      outcomeOf(ref.call('slow', 1)),
      outcomeOf(ref.call('add', 2)),
      outcomeOf(ref.call('add', 3))
    ]
    await cluster.clock.advance(10)
    expect(owner.agents.running()).toMatchObject([{ waiting: 3 }])
    cluster.decide(rest, ['a', 'b', 'c', 'edge'])
    await cluster.clock.advance(300)
    expect(gates.signals[0]?.aborted).toBe(true)
    // What the old owner still does counts nowhere.
    gates.open[0]?.()
    await cluster.clock.advance(100)
    gates.open[1]?.()
    await cluster.clock.advance(300)
    expect(calls.every(({ value }) => value !== undefined)).toBe(true)
    expect(cluster.storedOf(ref.id).document.value(station.state).count).toBe(6)
    expect(owner.agents.running()).toEqual([])
  })

  it('are repeated with their key when the owner dies after it did them', async () => {
    await first()
    cluster.copiesMs = 20
    const retries: unknown[] = []
    const call = outcomeOf(ref.call('add', 1, { onRetry: (cause) => retries.push(cause) }))
    await cluster.clock.advance(10)
    expect(gates.runs).toBe(2)
    cluster.kill(owner.name)
    await cluster.clock.advance(500)
    expect(call.done).toBe(false)
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(100)
    // Answered from the first run, which the copies hold.
    expect(call.value).toBe(2)
    expect(gates.runs).toBe(2)
    expect(retries[0]).toEqual(named('ConnectionLostError'))
    expect(retries.at(-1)).toEqual(named('PeerUnavailableError'))
  })

  it('end at once at a frozen owner when the view goes on without it', async () => {
    await first()
    cluster.freeze(owner.name)
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(5_000)
    expect(call.done).toBe(false)
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(10)
    expect(call.value).toBe(2)
    // When it wakes up, it learns of the view from the first request.
    cluster.thaw(owner.name)
    await cluster.clock.advance(100)
    owner.adopt(cluster.view)
    await cluster.clock.advance(100)
    expect(cluster.storedOf(ref.id).document.value(station.state).count).toBe(2)
  })

  it('wait for an owner that stalls and is kept', async () => {
    await first()
    cluster.freeze(owner.name)
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(3_000)
    cluster.thaw(owner.name)
    await cluster.clock.advance(10)
    expect(call.value).toBe(2)
    expect(cluster.sent.filter((line) => line.endsWith('agent.work'))).toHaveLength(2)
  })

  it('never give a step of theirs a time that is none, however late it begins', async () => {
    cluster.kill(owner.name)
    cluster.clock.perLookMs = 3
    const calls = Array.from({ length: 40 }, (_, at) =>
      outcomeOf(ref.call('add', 1, { timeoutMs: 10 + at / 7 }))
    )
    await cluster.clock.advance(500)
    expect(new Set(calls.map(({ error }) => error?.name))).toEqual(new Set(['UnavailableError']))
  })

  it('end at their deadline: outcome unknown if anything was sent, else not available', async () => {
    await first()
    cluster.freeze(owner.name)
    const sent = outcomeOf(ref.call('add', 1, { timeoutMs: 400 }))
    await cluster.clock.advance(410)
    expect(sent.error).toEqual(named('DeadlineExceededError', { outcomeUnknown: true }))
    cluster.thaw(owner.name)
    cluster.kill(owner.name)
    const unsent = outcomeOf(ref.call('add', 1, { timeoutMs: 400 }))
    await cluster.clock.advance(410)
    expect(unsent.error).toEqual(
      named('UnavailableError', { retryable: true, outcomeUnknown: false })
    )
    expect(unsent.error?.cause).toEqual(named('PeerUnavailableError'))
    const retries = cluster.sent.length
    await cluster.clock.advance(1_000)
    expect(cluster.sent).toHaveLength(retries)
  })

  it('keep the outcome unknown in whatever they end with later', async () => {
    await first()
    const call = outcomeOf(ref.call('slow', 1))
    await cluster.clock.advance(10)
    cluster.kill(owner.name)
    for (const peer of rest) cluster.on(peer).partition.set(true)
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(1_500)
    expect(call.error).toEqual(named('PausedError', { retryable: true, outcomeUnknown: true }))
  })

  it('end at once when their signal fires, and say whether they were sent', async () => {
    await first()
    cluster.kill(owner.name)
    const stop = new AbortController()
    const unsent = outcomeOf(ref.call('add', 1, { signal: stop.signal }))
    await cluster.clock.advance(300)
    stop.abort()
    await settle()
    expect(unsent.error).toEqual(named('AbortedError', { outcomeUnknown: false }))
  })

  it('are asked for as seldom as the bounds say while nobody answers', async () => {
    cluster.kill(owner.name)
    outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(10_100)
    const tries = cluster.sent.length
    // Full jitter below 200 ms gives 100 in ten seconds, give or take.
    expect(tries).toBeGreaterThan(60)
    expect(tries).toBeLessThan(180)
  })

  it('go to another peer when the owner stops its agents', async () => {
    await first()
    await owner.agents.stop()
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(100)
    expect(call.done).toBe(false)
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(50)
    expect(call.value).toBe(2)
  })

  it('go to another peer when the owner stops while it waits for the document', async () => {
    owner.state.own = (_, options) =>
      new Promise((_resolve, reject) => {
        const onAbort = (): void => reject(new AbortedError('the caller stopped waiting'))
        options?.signal?.addEventListener('abort', onAbort)
      })
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(20)
    await owner.agents.stop()
    await cluster.clock.advance(100)
    expect(call.done).toBe(false)
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(50)
    expect(call.value).toBe(1)
  })

  it('wait for an owner that is about to start, or to stop', async () => {
    const own = owner.state.own.bind(owner.state)
    owner.state.own = () => Promise.reject(new NotStartedError('not yet'))
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(500)
    expect(call.done).toBe(false)
    owner.state.own = own
    await cluster.clock.advance(300)
    expect(call.value).toBe(1)
  })

  it('wait where nobody may own the agent, and say so', async () => {
    cluster = new FakeCluster(['a'], { types })
    cluster.view = { ...cluster.view, number: 2, members: [] }
    cluster.on('a').adopt(cluster.view)
    const call = outcomeOf(cluster.on('a').agents.agent(station, 'x').call('add', 1))
    await cluster.clock.advance(10_010)
    expect(call.error).toEqual(
      named('UnavailableError', { message: expect.stringContaining('no member of the view') })
    )
  })

  it('repeat reads too, and give them up as not available', async () => {
    await first()
    cluster.kill(owner.name)
    const late = outcomeOf(ref.state({ timeoutMs: 300 }))
    const read = outcomeOf(ref.state())
    await cluster.clock.advance(310)
    expect(late.error).toEqual(named('UnavailableError', { outcomeUnknown: false }))
    cluster.decide(rest, [...rest, 'edge'])
    await cluster.clock.advance(20)
    expect(read.value).toMatchObject({
      value: { count: 1 },
      epoch: { view: 2, boot: 1 },
      consistency: 'eventual'
    })
    expect(read.value?.replicas.toSorted()).toEqual(rest)
  })

  it('end reads at a frozen owner at their deadline, or with their signal', async () => {
    await first()
    cluster.freeze(owner.name)
    const stop = new AbortController()
    const late = outcomeOf(ref.state({ timeoutMs: 300 }))
    const aborted = outcomeOf(ref.state({ signal: stop.signal }))
    await cluster.clock.advance(310)
    expect(late.error).toEqual(named('UnavailableError'))
    stop.abort()
    await settle()
    expect(aborted.error).toEqual(named('AbortedError'))
  })

  it('lose nothing and double nothing through deaths, freezes and moves', async () => {
    for (const seed of [1, 2, 3, 4, 5]) await storm(seed)
  })
})

/** Keyed calls under random views, freezes and deaths: each acknowledged one counts exactly once. */
async function storm(seed: number): Promise<void> {
  const peers = ['a', 'b', 'c', 'd']
  const cluster = new FakeCluster(peers, { types }, ['edge'])
  let state = seed
  const random = (max: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % max
  }
  const ref = cluster.on('edge').agents.agent(steady, 'k')
  const outcomes = []
  let members = peers
  for (let step = 0; step < 200; step++) {
    outcomes.push(outcomeOf(ref.call('add', 1, { timeoutMs: 60_000 })))
    const victim = members[random(members.length)] ?? ''
    const choice = random(12)
    if (choice === 0 && members.length > 1) {
      cluster.freeze(victim)
      members = members.filter((peer) => peer !== victim)
      await cluster.clock.advance(random(50))
      cluster.decide(members, [...members, 'edge'])
      cluster.thaw(victim)
      cluster.on(victim).adopt(cluster.view)
    } else if (choice === 1 && members.length < peers.length) {
      members = peers.filter((peer) => !cluster.killed.has(peer))
      cluster.decide(
        members,
        members.filter(() => random(2) === 0)
      )
    } else if (choice === 2 && cluster.killed.size === 0 && members.length > 2) {
      cluster.kill(victim)
      members = members.filter((peer) => peer !== victim)
      await cluster.clock.advance(random(100))
      cluster.decide(members, [...members, 'edge'])
    }
    cluster.copiesMs = 1 + random(10)
    await cluster.clock.advance(random(8))
  }
  // Those who were not told learn of the last view, as they would by gossip.
  for (const peer of [...members, 'edge']) cluster.on(peer).adopt(cluster.view)
  await cluster.clock.advance(2_000)
  const failures = outcomes.filter(({ error }) => error !== undefined).map(({ error }) => error)
  expect(failures, `seed ${seed}`).toEqual([])
  expect(
    outcomes.every(({ done }) => done),
    `seed ${seed}`
  ).toBe(true)
  const { count } = cluster.storedOf(ref.id).document.value(steady.state)
  expect(count, `seed ${seed}`).toBe(200)
  cluster.stop()
}
