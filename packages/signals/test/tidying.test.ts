import { describe, expect, it } from 'vitest'
import { LogIndex } from '../src/core/log-index.ts'
import type { LogRow } from '../src/core/log-index.ts'
import type { StreamName } from '../src/core/streams.ts'
import * as defaults from '../src/defaults.ts'
import { Tidying } from '../src/tidying.ts'
import type { TidyingInit } from '../src/tidying.ts'

function rowOf(number: number, stream: StreamName): LogRow {
  const shared = { bytes: 100, loggedAt: 0, time: 0, durable: false, copy: false }
  return { number, stream, first: 1, count: 1, ...shared }
}

function setup(hole: TidyingInit['hole'] = () => undefined) {
  const index = new LogIndex()
  const time = { now: 0 }
  const tidying = new Tidying({
    log: { index },
    // Nothing durable is handled here.
    progress: { forgetIdle: () => {} } as unknown as TidyingInit['progress'],
    clock: { now: () => time.now, monotonic: () => time.now, schedule: () => () => {} },
    logAgeMs: 1_000,
    hole
  })
  return { index, tidying, time }
}

const streams = (index: LogIndex): number => [...index.streams()].length

describe('streams of which no entry is left', () => {
  it('are forgotten in the order in which they were emptied, above a number', () => {
    const isWanted = ({ author }: StreamName): boolean => author === 'peer 3'
    const { index, tidying } = setup((name) => (isWanted(name) ? { from: 1, to: 1 } : undefined))
    const excess = 10
    const rows = Array.from({ length: defaults.emptiedStreamsMax + excess }, (_, number) =>
      rowOf(number, { author: `peer ${number}`, boot: 1, channel: 'c' })
    )
    for (const row of rows) index.add(row)
    tidying.tick()
    expect(streams(index)).toBe(rows.length)
    for (const row of rows) index.remove(row)
    tidying.tick()
    // One of the first is waited for.
    expect(streams(index)).toBe(defaults.emptiedStreamsMax + 1)
    for (const [number, row] of rows.entries()) {
      const isKept = number === 3 || number >= excess
      expect(index.find(row.stream) !== undefined).toBe(isKept)
    }
  })

  it('do not count while something of them is here', () => {
    const { index, tidying } = setup()
    const name = { author: 'peer', boot: 1, channel: 'c' }
    index.add(rowOf(1, name))
    index.remove(rowOf(1, name))
    expect(index.emptied().size).toBe(1)
    index.add(rowOf(2, name))
    expect(index.emptied().size).toBe(0)
    tidying.tick()
    expect(index.find(name)?.rows).toHaveLength(1)
  })

  it('are looked at in parts, so that no turn is long, and all of them in the end', () => {
    const { index, tidying, time } = setup()
    const authors = 2 * defaults.tidyStreamsMax
    for (let number = 0; number < authors; number++) {
      for (const boot of [1, 2, 3]) {
        index.add(rowOf(number * 3 + boot, { author: `peer ${number}`, boot, channel: 'c' }))
      }
    }
    // The oldest of three boots has ended where its entry is gone.
    for (let number = 0; number < authors; number += 100) {
      index.remove(rowOf(number * 3 + 1, { author: `peer ${number}`, boot: 1, channel: 'c' }))
    }
    const ended = Math.ceil(authors / 100)
    time.now = defaults.tidyMs
    tidying.tick()
    expect(streams(index)).toBe(authors * 3)
    let ticks = 1
    while (index.emptied().size > 0 && ticks < 100) {
      tidying.tick()
      ticks++
    }
    expect(streams(index)).toBe(authors * 3 - ended)
    // Twice over all of them: once to see who has begun anew, once to forget.
    expect(ticks).toBeLessThanOrEqual((2 * authors * 3) / defaults.tidyStreamsMax + 1)
  })
})
