import { ConnectionLostError, DeadlineExceededError, SchemaError } from '@murmuration/interface'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCallGuard } from '../src/index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const silent = async (): Promise<never> => {
  throw new DeadlineExceededError('late')
}
const answers = async (): Promise<string> => 'answer'
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
