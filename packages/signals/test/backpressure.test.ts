import { describe, expect, it } from 'vitest'
import { Backpressure } from '../src/backpressure.ts'
import type { BufferedStream } from '../src/backpressure.ts'
import { settle, VirtualClock } from './fakes.ts'

const full = 1_000_000

/** A stream of which the test says how much waits in it. */
class FakeStream extends EventTarget {
  status = 'open'
  writeBufferLength = full

  drain(left: number): void {
    this.writeBufferLength = left
    this.dispatchEvent(new Event('drain'))
  }

  close(): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}

function setUp(): {
  clock: VirtualClock
  stream: FakeStream
  wait: (...streams: FakeStream[]) => { done: boolean }
} {
  const clock = new VirtualClock()
  const backpressure = new Backpressure(clock)
  return {
    clock,
    stream: new FakeStream(),
    wait: (...streams) => {
      const state = { done: false }
      // Only these members of a stream are looked at.
      const all = streams as unknown as BufferedStream[]
      void backpressure.room(all).then(() => {
        state.done = true
      })
      return state
    }
  }
}

describe('backpressure', () => {
  it('lets a publisher go on where there is room', async () => {
    const { stream, wait } = setUp()
    stream.writeBufferLength = 1000
    const first = wait(stream)
    const second = wait()
    await settle()
    expect([first.done, second.done]).toEqual([true, true])
  })

  it('holds a publisher until there is room, again and again', async () => {
    const { clock, stream, wait } = setUp()
    for (let round = 0; round < 3; round += 1) {
      stream.writeBufferLength = full
      const waiting = wait(stream)
      await clock.advance(500)
      stream.drain(full - 1)
      await clock.advance(900)
      expect(waiting.done).toBe(false)
      stream.drain(100)
      await settle()
      expect(waiting.done).toBe(true)
      expect(clock.timers).toBe(0)
    }
  })

  it('waits for a stream that stands still only once, until it has moved', async () => {
    const { clock, stream, wait } = setUp()
    const first = wait(stream)
    await clock.advance(999)
    expect(first.done).toBe(false)
    await clock.advance(1)
    expect(first.done).toBe(true)
    const second = wait(stream)
    await settle()
    expect(second.done).toBe(true)
    stream.drain(0)
    wait(stream)
    await settle()
    stream.writeBufferLength = full
    const third = wait(stream)
    await settle()
    expect(third.done).toBe(false)
    stream.drain(0)
  })

  it('does not wait for ever for one that creeps, nor for one that closes', async () => {
    const { clock, stream, wait } = setUp()
    const creeping = wait(stream)
    for (let step = 1; step <= 19; step += 1) {
      await clock.advance(500)
      stream.drain(full - step)
    }
    expect(creeping.done).toBe(false)
    await clock.advance(500)
    stream.drain(full - 20)
    await settle()
    expect(creeping.done).toBe(true)
    const other = new FakeStream()
    const closing = wait(other)
    other.close()
    await settle()
    expect(closing.done).toBe(true)
  })
})
