import {
  DeadlineExceededError,
  OverloadedError,
  PeerUnavailableError,
  SchemaError
} from '@murmuration/interface'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createRetryBudget,
  isOpenCircuit,
  withBulkhead,
  withCircuitBreaker,
  withHedge,
  withRetry
} from '../src/index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const idempotent = true

describe('a circuit breaker', () => {
  it('opens after failures one after the other, then answers without a call, in less than 1 ms', async () => {
    let calls = 0
    const state = { up: false }
    const ask = withCircuitBreaker(
      async (text: string) => {
        calls++
        if (!state.up) throw new PeerUnavailableError('gone')
        return text
      },
      { name: 'the oracle', failuresMax: 3, resetMs: 1_000, clock: { monotonic: () => 5 } }
    )
    for (let attempt = 0; attempt < 3; attempt++) await expect(ask('x')).rejects.toThrow('gone')
    expect(ask.state).toBe('open')
    vi.useRealTimers()
    const times: number[] = []
    for (let attempt = 0; attempt < 200; attempt++) {
      const from = performance.now()
      const error: unknown = await ask('x').catch((cause: unknown) => cause)
      times.push(performance.now() - from)
      expect(error).toMatchObject({ name: 'PeerUnavailableError', retryable: true })
      expect(isOpenCircuit(error)).toBe(true)
    }
    expect(times.toSorted((a, b) => a - b)[100]).toBeLessThan(1)
    expect(calls).toBe(3)
  })

  it('lets one call through after its time, and closes or opens by what comes of it', async () => {
    const state = { up: false, calls: 0 }
    const ask = withCircuitBreaker(
      async () => {
        state.calls++
        if (!state.up) throw new Error('down')
        return 1
      },
      { failuresMax: 1, resetMs: 1_000 }
    )
    await expect(ask()).rejects.toThrow('down')
    vi.advanceTimersByTime(1_001)
    await expect(ask()).rejects.toThrow('down')
    await expect(ask()).rejects.toMatchObject({ name: 'PeerUnavailableError' })
    expect(state.calls).toBe(2)
    state.up = true
    vi.advanceTimersByTime(1_001)
    expect(await ask()).toBe(1)
    expect(ask.state).toBe('closed')
  })

  it('is opened and tried again by monotonic time, however the wall clock is set', async () => {
    const state = { up: false }
    const ask = withCircuitBreaker(
      async () => {
        if (!state.up) throw new Error('down')
        return 1
      },
      { failuresMax: 1, resetMs: 1_000 }
    )
    await expect(ask()).rejects.toThrow('down')
    vi.setSystemTime(Date.now() + 3_600_000)
    await expect(ask()).rejects.toMatchObject({ name: 'PeerUnavailableError' })
    vi.setSystemTime(Date.now() - 7_200_000)
    state.up = true
    vi.advanceTimersByTime(1_001)
    expect(await ask()).toBe(1)
  })

  it('does not count refusals and errors of handlers', async () => {
    const errors = [new OverloadedError('full'), new SchemaError('wrong')]
    const ask = withCircuitBreaker(
      async (index: number) => {
        throw errors[index % 2]
      },
      { failuresMax: 1 }
    )
    for (let attempt = 0; attempt < 10; attempt++) await ask(attempt).catch(() => {})
    expect(ask.state).toBe('closed')
  })

  it('refuses options out of range', () => {
    const operation = async (): Promise<number> => 1
    expect(() => withCircuitBreaker(operation, { failuresMax: 0 })).toThrow(/failuresMax/)
    expect(() => withCircuitBreaker(operation, { resetMs: 0 })).toThrow(/resetMs/)
    expect(() => withBulkhead(operation, { callsMax: 0 })).toThrow(/callsMax/)
    expect(() => withRetry(operation, { idempotent, attemptsMax: 0 })).toThrow(/attemptsMax/)
    expect(() => withHedge(operation, { idempotent, hedgesMax: 9 })).toThrow(/hedgesMax/)
  })
})

describe('a bulkhead', () => {
  it('answers OverloadedError at once above its bound, and takes calls again when some have ended', async () => {
    const ends: (() => void)[] = []
    const ask = withBulkhead(
      async () => {
        await new Promise<void>((resolve) => ends.push(resolve))
        return 1
      },
      { callsMax: 2, waitingMax: 1 }
    )
    const calls = [ask(), ask(), ask()]
    await expect(ask()).rejects.toMatchObject({ name: 'OverloadedError', overloaded: true })
    ends[0]?.()
    await calls[0]
    await Promise.resolve()
    const last = ask()
    await vi.waitFor(() => expect(ends).toHaveLength(3))
    for (const end of ends) end()
    await Promise.all(calls)
    await vi.waitFor(() => expect(ends).toHaveLength(4))
    ends[3]?.()
    expect(await last).toBe(1)
  })
})

describe('a retry', () => {
  it('repeats what may pass, and nothing else', async () => {
    let calls = 0
    const flaky = withRetry(
      async () => {
        if (++calls < 3) throw new DeadlineExceededError('late')
        return calls
      },
      { idempotent }
    )
    const result = flaky()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await result).toBe(3)
    let wrong = 0
    const hopeless = withRetry(
      async () => {
        wrong++
        throw new SchemaError('wrong')
      },
      { idempotent }
    )
    await expect(hopeless()).rejects.toThrow('wrong')
    expect(wrong).toBe(1)
  })

  it('adds a tenth to the load of who fails all, after a small allowance', async () => {
    vi.useRealTimers()
    let calls = 0
    const clock = { monotonic: () => 0 }
    const budget = createRetryBudget({ clock })
    const down = withRetry(
      async () => {
        calls++
        throw new OverloadedError('full')
      },
      { idempotent, attemptsMax: 10, baseMs: 0.001, maxMs: 0.001, budget }
    )
    for (let call = 0; call < 1_000; call++) await down().catch(() => {})
    expect(calls).toBeGreaterThan(1_000)
    expect(calls).toBeLessThanOrEqual(1_112)
  })
})

describe('a hedged read', () => {
  it('takes the answer of the second where the first is late, and aborts the first', async () => {
    const aborted: number[] = []
    const read = withHedge(
      (attempt, signal) =>
        new Promise<string>((resolve) => {
          signal.addEventListener('abort', () => aborted.push(attempt))
          if (attempt === 1) resolve('from the second')
        }),
      { idempotent, afterMs: 20 }
    )
    const result = read()
    await vi.advanceTimersByTimeAsync(19)
    expect(aborted).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await result).toBe('from the second')
    await Promise.resolve()
    expect(aborted).toContain(0)
  })

  it('asks once where the answer is in time, at once again where it failed, and tells the first error', async () => {
    let asked = 0
    const quick = withHedge(
      async () => {
        asked++
        return 'quick'
      },
      { idempotent, afterMs: 20 }
    )
    expect(await quick()).toBe('quick')
    await vi.advanceTimersByTimeAsync(100)
    expect(asked).toBe(1)
    const failing = withHedge(
      async (attempt) => {
        throw new Error(`failed ${attempt}`)
      },
      { idempotent, afterMs: 20, hedgesMax: 2 }
    )
    await expect(failing()).rejects.toThrow('failed 0')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('takes what an operation throws at once for a failed attempt', async () => {
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('late'), 200))
    const read = withHedge(
      (attempt) => {
        if (attempt > 0) throw new TypeError('no such replica')
        return late
      },
      { idempotent, afterMs: 20 }
    )
    const result = read()
    await vi.advanceTimersByTimeAsync(200)
    expect(await result).toBe('late')
    let asked = 0
    const failing = withHedge(
      () => {
        throw new Error(`failed ${asked++}`)
      },
      { idempotent, afterMs: 20 }
    )
    await expect(failing()).rejects.toThrow('failed 0')
    await vi.advanceTimersByTimeAsync(100)
    expect(asked).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends with the signal of the caller', async () => {
    const controller = new AbortController()
    const never = withHedge(() => new Promise<never>(() => {}), { idempotent, afterMs: 20 })
    const result = expect(never({ signal: controller.signal })).rejects.toMatchObject({
      name: 'AbortedError'
    })
    controller.abort()
    await result
    expect(vi.getTimerCount()).toBe(0)
  })
})
