import { describe, expect, it } from 'vitest'
import { createLocalRpc } from '../src/index.ts'
import { errorOf } from './duplex.ts'
import { ManualClock } from './manual-clock.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('a local rpc', () => {
  it('answers calls to its own peer, without start', async () => {
    const rpc = createLocalRpc({ peer: 'me' })
    rpc.handle('who', (_, { peer }) => new TextEncoder().encode(peer))
    expect(new TextDecoder().decode(await rpc.call('me', 'who', bytes()))).toBe('me')
  })

  it('copies requests and replies', async () => {
    const rpc = createLocalRpc({ peer: 'me' })
    const kept = bytes(1, 2, 3)
    rpc.handle('state', () => kept)
    const reply = await rpc.call('me', 'state', bytes())
    reply.fill(0)
    expect(kept).toEqual(bytes(1, 2, 3))
    const request = bytes(1)
    rpc.handle('echo', (received) => received)
    const echoed = rpc.call('me', 'echo', request)
    request.fill(9)
    expect(await echoed).toEqual(bytes(1))
  })

  it('streams', async () => {
    const rpc = createLocalRpc({ peer: 'me', windowItems: 2 })
    rpc.handleStream('count', async function* () {
      for (let value = 0; value < 100; value++) yield bytes(value)
    })
    let sum = 0
    for await (const [value = 0] of rpc.stream('me', 'count', bytes())) sum += value
    expect(sum).toBe(4_950)
  })

  it('keeps deadlines on its clock', async () => {
    const clock = new ManualClock()
    const rpc = createLocalRpc({ peer: 'me', clock })
    let signal: AbortSignal | undefined
    rpc.handle('wait', (_, context) => {
      signal = context.signal
      return new Promise(() => {})
    })
    const failed = errorOf(rpc.call('me', 'wait', bytes(), { timeoutMs: 200 }))
    await new Promise<void>((resolve) => setImmediate(resolve))
    clock.advance(206)
    expect(await failed).toMatchObject({ name: 'DeadlineExceededError' })
    await new Promise<void>((resolve) => setImmediate(resolve))
    expect(signal?.aborted).toBe(true)
  })

  it('reaches nobody else', async () => {
    const rpc = createLocalRpc({ peer: 'me' })
    expect(await errorOf(rpc.call('you', 'echo', bytes()))).toMatchObject({
      name: 'PeerUnavailableError',
      peer: 'you'
    })
  })

  it('answers no more once it is stopped, and fails what is under way', async () => {
    const rpc = createLocalRpc({ peer: 'me' })
    rpc.handle('wait', () => new Promise(() => {}))
    const lost = errorOf(rpc.call('me', 'wait', bytes()))
    await new Promise<void>((resolve) => setImmediate(resolve))
    await rpc.stop()
    await rpc.stop()
    expect(await lost).toMatchObject({ name: 'ConnectionLostError' })
    expect(await errorOf(rpc.call('me', 'wait', bytes()))).toMatchObject({
      name: 'NotStartedError'
    })
    await rpc.start()
    rpc.handle('echo', (request) => request)
    expect(await rpc.call('me', 'echo', bytes(1))).toEqual(bytes(1))
  })

  it.each([
    [{ timeoutMs: 0 }],
    [{ timeoutMs: -1 }],
    [{ timeoutMs: Number.NaN }],
    [{ timeoutMs: Number.POSITIVE_INFINITY }],
    [{ timeoutMs: 2 ** 31 }]
  ])('refuses the call options %o', async (options) => {
    const rpc = createLocalRpc({ peer: 'me' })
    rpc.handle('echo', (request) => request)
    expect(await errorOf(rpc.call('me', 'echo', bytes(), options))).toMatchObject({
      name: 'InvalidParametersError'
    })
  })

  it('lets a stream wait for ever, if asked to', async () => {
    const clock = new ManualClock()
    const rpc = createLocalRpc({ peer: 'me', clock })
    rpc.handleStream('one', async function* () {
      yield bytes(1)
    })
    const options = { timeoutMs: Number.POSITIVE_INFINITY }
    for await (const item of rpc.stream('me', 'one', bytes(), options)) {
      expect(item).toEqual(bytes(1))
      expect(clock.timers).toBe(0)
    }
  })

  it.each([
    [{ messageBytesMax: 0 }],
    [{ windowItems: 1.5 }],
    [{ backoffMs: -1 }],
    [{ timeoutMs: Number.POSITIVE_INFINITY }]
  ])('refuses the options %o', (options) => {
    expect(() => createLocalRpc({ peer: 'me', ...options })).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})
