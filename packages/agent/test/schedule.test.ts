import { describe, expect, it } from 'vitest'
import { counter } from '@murmuration/crdt'
import { defineAgent } from '@murmuration/agent'
import { z } from 'zod'
import { DueQueue } from '../src/core/due-queue.ts'
import { ticksOf } from '../src/core/schedule.ts'
import { createRandom } from '@murmuration/testkit'

const at = (text: string): number => Date.parse(text)
const shown = (tick: number | undefined): string =>
  tick === undefined ? 'never' : new Date(tick * 1_000).toISOString().slice(0, 19)

describe('an interval', () => {
  it('is due at whole multiples, moved by the phase of the agent', () => {
    const hourly = ticksOf('x', { every: '1h' }, 0)
    expect(shown(hourly.after(at('2026-05-01T10:20:00Z')))).toBe('2026-05-01T11:00:00')
    expect(shown(hourly.latest(at('2026-05-01T10:20:00Z')))).toBe('2026-05-01T10:00:00')
    const moved = ticksOf('x', { every: '1h' }, 0.25)
    expect(shown(moved.after(at('2026-05-01T10:20:00Z')))).toBe('2026-05-01T11:15:00')
    expect(shown(moved.latest(at('2026-05-01T10:15:00Z')))).toBe('2026-05-01T10:15:00')
  })

  it.each(['1', '1.5h', '0s', '366d', 'h', '-1s', '1w', ''])('is not %j', (every) => {
    expect(() => ticksOf('x', { every }, 0)).toThrow(/every must be/)
  })
})

describe('a cron pattern', () => {
  it('is due by the clock of its time zone, and once on the days when that is changed', () => {
    const nightly = ticksOf('x', { cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, 0.9)
    expect(shown(nightly.after(at('2026-05-01T12:00:00Z')))).toBe('2026-05-02T00:30:00')
    // 02:30 does not exist on this day: when the gap ends.
    expect(shown(nightly.after(at('2026-03-28T12:00:00Z')))).toBe('2026-03-29T01:00:00')
    // 02:30 comes twice on this day: the first time only.
    expect(shown(nightly.after(at('2026-10-24T12:00:00Z')))).toBe('2026-10-25T00:30:00')
    expect(shown(nightly.after(at('2026-10-25T00:30:00Z')))).toBe('2026-10-26T01:30:00')
  })

  it('has a latest tick that counts the present moment, and ends where it says so', () => {
    const daily = ticksOf('x', { cron: '0 3 * * *' }, 0)
    expect(shown(daily.latest(at('2026-05-01T03:00:00Z')))).toBe('2026-05-01T03:00:00')
    expect(shown(daily.latest(at('2026-05-01T02:59:59Z')))).toBe('2026-04-30T03:00:00')
  })

  it.each([
    [{ cron: 'nonsense' }, /CronPattern/],
    [{ cron: '0 3 * * *', timeZone: 'Mars/Olympus' }, /time ?zone/i],
    [{ every: '1h', timeZone: 'UTC' }, /belongs to cron/],
    [{ every: '1h', cron: '0 3 * * *' }, /either every or cron/],
    [{}, /either every or cron/]
  ])('is refused in %j', (times, message) => {
    expect(() => ticksOf('x', times, 0)).toThrow(message)
  })
})

describe('the definition of a schedule', () => {
  const parts = {
    type: 'clock',
    state: { ticks: counter() },
    actions: { tick: { input: z.null(), output: z.null(), run: () => null } }
  }

  it('is refused for an action that is not there', () => {
    const schedules = { a: { every: '1h', action: 'tock' } } as const
    // @ts-expect-error -- the types refuse it first
    const define = (): unknown => defineAgent({ ...parts, schedules })
    expect(define).toThrow(/no action tock/)
  })

  it('takes the input that its action takes, and no other', () => {
    const type = defineAgent({
      ...parts,
      actions: { add: { input: z.number(), output: z.null(), run: () => null } },
      schedules: { a: { every: '1h', action: 'add', input: 3, keys: ['x'] } }
    })
    expect(type.schedules['a']?.input).toBe(3)
    defineAgent({
      ...parts,
      actions: { add: { input: z.number(), output: z.null(), run: () => null } },
      // @ts-expect-error -- a number is asked for
      schedules: { a: { every: '1h', action: 'add', input: 'three' } }
    })
  })
})

describe('a queue of what is due', () => {
  it('gives everything in the order of its time, whatever the order it came in', () => {
    const random = createRandom(5)
    const queue = new DueQueue<number>()
    const times = Array.from({ length: 500 }, () => Math.floor(random.next() * 100))
    for (const time of times) queue.add(time, time)
    expect(queue.take(-1)).toBeUndefined()
    const taken: number[] = []
    for (let next = queue.take(1_000); next !== undefined; next = queue.take(1_000))
      taken.push(next)
    expect(taken).toEqual(times.toSorted((a, b) => a - b))
    expect(queue.size).toBe(0)
  })
})
