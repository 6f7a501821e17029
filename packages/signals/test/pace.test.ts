import { describe, expect, it } from 'vitest'
import { Outbox } from '../src/core/outbox.ts'
import type { Letter } from '../src/core/outbox.ts'
import { Pace } from '../src/core/pace.ts'
import { settle, testCluster, VirtualClock } from './fakes.ts'
import type { TestBus } from './fakes.ts'

const newPace = (): Pace => new Pace({ intervalMs: 10, burst: 3, vainMax: 7 })

/** Sends as soon as it may; gives the waits. */
function send(pace: Pace, at: number, gathered: boolean): number {
  const waitMs = pace.waitMs(at)
  if (waitMs > 0) {
    pace.waited(gathered)
  }
  pace.sent(at + waitMs)
  return waitMs
}

describe('the pace', () => {
  it('lets a burst go at once, then one batch in each interval', () => {
    const pace = newPace()
    expect([0, 0, 0, 0].map((at) => send(pace, at, true))).toEqual([0, 0, 0, 10])
    expect(send(pace, 12, true)).toBe(8)
    expect(send(pace, 20, true)).toBe(10)
  })

  it('never holds up whoever keeps the interval, and gives the burst back with time', () => {
    const pace = newPace()
    for (let at = 0; at < 1000; at += 10) {
      expect(send(pace, at, true)).toBe(0)
    }
    expect([1000, 1000, 1000, 1000].map((at) => send(pace, at, true))).toEqual([0, 0, 0, 10])
    expect([2000, 2000, 2000, 2000].map((at) => send(pace, at, true))).toEqual([0, 0, 0, 10])
  })

  it('waits ever more seldom where nothing comes meanwhile, and again once something did', () => {
    const pace = newPace()
    let at = 0
    const sends = (count: number, gathered: boolean): number[] =>
      Array.from({ length: count }, () => {
        const waitMs = send(pace, at, gathered)
        at += waitMs
        return waitMs
      })
    sends(3, false)
    expect(sends(20, false).flatMap((waitMs, index) => (waitMs > 0 ? [index] : []))).toEqual([
      0, 2, 6, 14
    ])
    // One wait after seven more without, and that one gathers: from then on all do.
    expect(sends(4, true)).toEqual([0, 0, 10, 10])
  })

  it('waits for no longer than the interval, whatever went without a wait before', () => {
    const pace = newPace()
    for (let index = 0; index < 100; index += 1) {
      pace.sent(0)
    }
    expect(pace.waitMs(0)).toBe(10)
  })
})

interface PacedOutbox {
  readonly clock: VirtualClock
  readonly batches: number[][]
  readonly post: (name: number, length?: number) => Promise<string>
}

function pacedOutbox(): PacedOutbox {
  const clock = new VirtualClock()
  const batches: number[][] = []
  const outbox = new Outbox<string>({
    defer: (task) => setImmediate(task),
    send: async (letters: readonly Letter[]) => {
      batches.push(letters.map(({ bytes }) => bytes[0] ?? -1))
      return letters.map(() => 'sent')
    },
    batchBytesMax: 100,
    batchSignalsMax: 4,
    pendingBytesMax: 1000,
    pendingSignalsMax: 50,
    pacing: {
      pace: newPace(),
      monotonic: () => clock.monotonic(),
      schedule: (delayMs, task) => clock.schedule(delayMs, task)
    }
  })
  const post = (name: number, length = 1): Promise<string> =>
    outbox.post({ bytes: new Uint8Array(length).fill(name), deadline: 0 }).result
  return { clock, batches, post }
}

describe('an outbox with a pace', () => {
  it('gathers what a loud author publishes, and sends all of it', async () => {
    const { batches, clock, post } = pacedOutbox()
    const results: Promise<string>[] = []
    for (let name = 0; name < 15; name += 1) {
      results.push(post(name))
      await clock.advance(4)
    }
    await clock.advance(10)
    expect(await Promise.all(results)).toHaveLength(15)
    expect(batches.flat()).toEqual(Array.from({ length: 15 }, (_, name) => name))
    // A burst of three, and one in 10 ms.
    expect(batches.slice(0, 4)).toEqual([[0], [1], [2], [3]])
    expect(batches.length).toBeLessThanOrEqual(3 + clock.time / 10)
  })

  it('sends a full batch at once, be it full by number or by bytes', async () => {
    const { batches, clock, post } = pacedOutbox()
    for (const name of [0, 1, 2]) {
      await post(name)
    }
    const waiting = [post(3)]
    await settle()
    waiting.push(post(4), post(5))
    await settle()
    expect(batches).toHaveLength(3)
    waiting.push(post(6))
    await Promise.all(waiting)
    const large = [post(7, 60)]
    await settle()
    expect(batches).toHaveLength(4)
    large.push(post(8, 60))
    await large[0]
    expect(batches.slice(3)).toEqual([[3, 4, 5, 6], [7]])
    await clock.advance(10)
    await Promise.all(large)
    expect(batches.at(-1)).toEqual([8])
    expect(clock.timers).toBe(0)
  })

  it('holds up whoever waits for each of its signals once in a while only', async () => {
    const { batches, clock, post } = pacedOutbox()
    let sent = 0
    const publisher = (async () => {
      for (; sent < 100; sent += 1) {
        await post(sent)
      }
    })()
    while (sent < 100) {
      await (clock.timers > 0 ? clock.advance(10) : settle())
    }
    await publisher
    // One wait of 10 ms for the burst, then one in eight batches.
    expect(clock.time).toBeLessThanOrEqual(160)
    expect(sent).toBe(100)
    expect(batches).toHaveLength(100)
  })
})

/** Publishes every so often for half a second, without waiting for the one before. */
async function publish(
  clock: VirtualClock,
  rates: readonly (readonly [TestBus, string, number])[]
): Promise<void> {
  const published: Promise<unknown>[] = []
  for (let ms = 0; ms < 500; ms += 2) {
    for (const [bus, type, everyMs] of rates) {
      if (ms % everyMs === 0) {
        published.push(bus.bus.publish({ type, data: clock.monotonic() }))
      }
    }
    await clock.advance(2)
  }
  await clock.advance(10)
  await Promise.all(published)
}

describe('an author of ten times as many signals as another', () => {
  it('costs who listens hardly more messages, and the other one waits for nothing', async () => {
    const cluster = testCluster()
    const loud = await cluster.bus('loud')
    const quiet = await cluster.bus('quiet')
    const listener = await cluster.bus('listener')
    const late: Record<string, number[]> = { loud: [], quiet: [] }
    listener.bus.subscribe('order.*', ({ data }, { author }) => {
      late[author]?.push(cluster.clock.monotonic() - Number(data))
    })
    await publish(cluster.clock, [
      [loud, 'order.loud', 2],
      [quiet, 'order.quiet', 20]
    ])
    expect(late['loud']).toHaveLength(250)
    expect(late['quiet']).toHaveLength(25)
    const messages = (author: string): number =>
      cluster.gossip.sent.filter(({ from }) => from === author).length
    expect(messages('quiet')).toBe(25)
    // One in 10 ms, and the burst.
    expect(messages('loud')).toBeLessThanOrEqual(61)
    expect(Math.max(...(late['quiet'] ?? []))).toBe(0)
    expect(Math.max(...(late['loud'] ?? []))).toBeLessThanOrEqual(10)
  })
})
