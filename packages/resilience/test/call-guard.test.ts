import {
  ConnectionLostError,
  DeadlineExceededError,
  OverloadedError,
  SchemaError
} from '@murmuration/interface'
import type { MurmurationError } from '@murmuration/interface'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCallGuard } from '../src/index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const silent = async (): Promise<never> => {
  throw new DeadlineExceededError('late')
}
const answers = async (): Promise<string> => 'answer'
/** The far side says so itself. */
const answersWith = (error: MurmurationError) => async (): Promise<never> => {
  throw Object.assign(error, { answered: true })
}
/** Lets counting happen that no caller waits for. */
const settle = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(0))

describe('the guard of calls', () => {
  it('opens the circuit of a peer that is silent, for all its agents and for no other peer', async () => {
    const guard = createCallGuard({ failuresMax: 3, resetMs: 500 })
    for (let call = 0; call < 3; call++) {
      await expect(guard.run('p', `agent ${call}`, silent)).rejects.toThrow('late')
      await settle()
    }
    const error: unknown = await guard.run('p', 'another', answers).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ name: 'PeerUnavailableError' })
    expect(guard.isOpenCircuit(error)).toBe(true)
    expect(await guard.run('q', 'another', answers)).toBe('answer')
    vi.advanceTimersByTime(501)
    expect(await guard.run('p', 'another', answers)).toBe('answer')
    expect(await guard.run('p', 'another', answers)).toBe('answer')
  })

  it('leaves the way to a peer open whose one agent is slow, and closes that of the agent', async () => {
    let looks = 0
    const isAlive = async (): Promise<boolean> => {
      looks++
      return true
    }
    const guard = createCallGuard({ failuresMax: 3, isAlive })
    await Promise.all(
      Array.from({ length: 20 }, async () => guard.run('p', 'slow', silent).catch(() => {}))
    )
    await settle()
    expect(await guard.run('p', 'quick', answers)).toBe('answer')
    await expect(guard.run('p', 'slow', answers)).rejects.toMatchObject({
      name: 'PeerUnavailableError'
    })
    // Twenty calls that end together need one look.
    expect(looks).toBe(1)
  })

  it('counts no lost connection, no error of a handler, and nothing with an answer in between', async () => {
    const guard = createCallGuard({ failuresMax: 2 })
    for (let call = 0; call < 10; call++) {
      for (const error of [new ConnectionLostError('lost'), new SchemaError('wrong')]) {
        await guard.run('p', 'a', () => Promise.reject(error)).catch(() => {})
      }
      await guard.run('p', 'a', silent).catch(() => {})
      await settle()
      expect(await guard.run('p', 'a', answers)).toBe('answer')
    }
  })

  it('takes an error that a peer answers with for a sign of life', async () => {
    const guard = createCallGuard({ failuresMax: 2 })
    for (const error of [
      new OverloadedError('shed'),
      new SchemaError('wrong'),
      new DeadlineExceededError('somebody behind it was late')
    ]) {
      for (let call = 0; call < 10; call++) {
        await guard.run('p', 'a', silent).catch(() => {})
        await settle()
        await guard.run('p', 'a', answersWith(error)).catch(() => {})
        await settle()
      }
    }
    expect(await guard.run('p', 'a', answers)).toBe('answer')
  })

  it('does not take for one what was refused on this side', async () => {
    const guard = createCallGuard({ failuresMax: 2 })
    const full = (): Promise<never> => Promise.reject(new OverloadedError('4096 under way'))
    await guard.run('p', 'a', silent).catch(() => {})
    await settle()
    await guard.run('p', 'a', full).catch(() => {})
    await guard.run('p', 'a', silent).catch(() => {})
    await settle()
    const refused = { name: 'PeerUnavailableError' }
    await expect(guard.run('p', 'a', answers)).rejects.toMatchObject(refused)
  })

  it('counts no late call while which others were answered: it waited for its turn', async () => {
    const guard = createCallGuard({ failuresMax: 3 })
    const late = (): Promise<never> =>
      new Promise((_, reject) => {
        setTimeout(() => reject(new DeadlineExceededError('late')), 400)
      })
    const calls = Array.from({ length: 20 }, () => guard.run('p', 'a', late).catch(() => {}))
    await vi.advanceTimersByTimeAsync(100)
    await guard.run('p', 'a', answers)
    await vi.advanceTimersByTimeAsync(400)
    await Promise.all(calls)
    await settle()
    expect(await guard.run('p', 'a', answers)).toBe('answer')
  })

  it('bounds the calls under way to an agent and to a peer', async () => {
    const guard = createCallGuard({ callsPerPeerMax: 3, callsPerAgentMax: 2 })
    const never = (): Promise<never> => new Promise(() => {})
    void guard.run('p', 'a', never)
    void guard.run('p', 'a', never)
    const overloaded = { name: 'OverloadedError' }
    await expect(guard.run('p', 'a', answers)).rejects.toMatchObject(overloaded)
    void guard.run('p', 'b', never)
    await expect(guard.run('p', 'c', answers)).rejects.toMatchObject(overloaded)
    expect(await guard.run('q', 'c', answers)).toBe('answer')
  })

  it('gives ten repetitions a second, and one for every ten calls', async () => {
    const guard = createCallGuard({
      clock: { now: () => 0, monotonic: () => 0, schedule: () => () => {} }
    })
    for (let call = 0; call < 105; call++) await guard.run('p', 'a', answers)
    let repetitions = 0
    while (guard.mayRepeat()) repetitions++
    expect(repetitions).toBe(20)
  })
})

/** A far side that takes so many calls a second, and sheds the others. */
function farSide(perSecond: number) {
  let credit = 0
  let at = Date.now()
  const state = { made: 0, taken: 0, perSecond }
  const call = async (): Promise<string> => {
    const now = Date.now()
    credit = Math.min(5, credit + ((now - at) * state.perSecond) / 1_000)
    at = now
    state.made++
    if (credit < 1) return await answersWith(new OverloadedError('shed'))()
    credit--
    state.taken++
    return 'taken'
  }
  return { state, call }
}

describe('calls to a far side that sheds', () => {
  /** Offers calls at a steady rate; how many were made and taken. */
  async function offer(
    guard: ReturnType<typeof createCallGuard>,
    far: ReturnType<typeof farSide>,
    { perMs, ms, agents = 1 }: { perMs: number; ms: number; agents?: number }
  ): Promise<{ made: number; taken: number; outcomes: Set<string> }> {
    const { made, taken } = far.state
    const outcomes = new Set<string>()
    let offered = 0
    for (let elapsed = 0; elapsed < ms; elapsed++) {
      for (; offered < perMs * (elapsed + 1); offered++) {
        await guard
          .run('p', `a${offered % agents}`, far.call)
          .catch((error: Error) => outcomes.add(error.name))
      }
      await vi.advanceTimersByTimeAsync(1)
    }
    return { made: far.state.made - made, taken: far.state.taken - taken, outcomes }
  }

  it('are not kept back while half of them are taken', async () => {
    const guard = createCallGuard()
    const { made } = await offer(guard, farSide(1_100), { perMs: 2, ms: 2_000 })
    expect(made).toBe(4_000)
  })

  it.each([1, 32, 1_000])('are about two for each that is taken (%i agents)', async (agents) => {
    const guard = createCallGuard()
    const far = farSide(1_000)
    await offer(guard, far, { perMs: 10, ms: 1_000, agents })
    const { made, taken, outcomes } = await offer(guard, far, { perMs: 10, ms: 2_000, agents })
    expect(taken).toBeGreaterThan(1_950)
    expect(made).toBeLessThan(2.5 * taken)
    expect([...outcomes]).toEqual(['OverloadedError'])
  })

  it('all go again soon after the load has ended', async () => {
    const guard = createCallGuard()
    const far = farSide(1_000)
    await offer(guard, far, { perMs: 10, ms: 3_000 })
    await offer(guard, far, { perMs: 0.5, ms: 3_000 })
    const { made, taken } = await offer(guard, far, { perMs: 0.5, ms: 1_000 })
    expect(made).toBe(500)
    expect(taken).toBe(500)
  })

  it('find out that it can do more', async () => {
    const guard = createCallGuard()
    const far = farSide(100)
    await offer(guard, far, { perMs: 5, ms: 2_000 })
    far.state.perSecond = 10_000
    await offer(guard, far, { perMs: 5, ms: 3_000 })
    const { made } = await offer(guard, far, { perMs: 5, ms: 1_000 })
    expect(made).toBe(5_000)
  })

  it('are not kept from the other agents of a peer where one sheds', async () => {
    const guard = createCallGuard()
    const shed = answersWith(new OverloadedError('its mailbox is full'))
    for (let elapsed = 0; elapsed < 2_000; elapsed++) {
      for (let call = 0; call < 5; call++) await guard.run('p', 'hot', shed).catch(() => {})
      expect(await guard.run('p', `other ${elapsed % 10}`, answers)).toBe('answer')
      await vi.advanceTimersByTimeAsync(1)
    }
  })
})
