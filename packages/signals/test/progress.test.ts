import { createMemoryStore } from '@murmuration/storage'
import { describe, expect, it } from 'vitest'
import { LogIndex } from '../src/core/log-index.ts'
import type { LogRow } from '../src/core/log-index.ts'
import { ExchangeReply, RegisterReply } from '../src/core/messages.ts'
import type { StreamName } from '../src/core/streams.ts'
import { Progress } from '../src/progress.ts'
import { Registrations } from '../src/registrations.ts'
import { Tidying } from '../src/tidying.ts'
import { settle, VirtualClock } from './fakes.ts'

const id = 'group/billing'
const day = 86_400_000

interface Made {
  readonly progress: Progress
  readonly clock: VirtualClock
}

async function made(store = createMemoryStore(), clock = new VirtualClock()): Promise<Made> {
  const progress = new Progress({
    store,
    clock,
    mutants: {},
    onCorrupt: () => undefined,
    report: () => undefined,
    onWritten: () => undefined
  })
  await progress.load()
  return { progress, clock }
}

function streamOf(boot: number): StreamName {
  return { author: `12D3KooW${'x'.repeat(44)}`, boot, channel: '/default/signals/1/11' }
}

function bootsOf(progress: Progress): number[] {
  return progress
    .notesOf(id, 9)
    .map(({ stream }) => stream.boot)
    .toSorted((a, b) => a - b)
}

describe('what is told of a group', () => {
  it('has where it begins, however many streams it has', async () => {
    const [{ progress }, { progress: other }] = [await made(), await made()]
    progress.begin(id)
    for (let boot = 1; boot <= 600; boot += 1) {
      progress.add(id, streamOf(boot), 1, 1)
    }
    const notes = progress.notesOf(id, 512)
    expect(notes).toHaveLength(512)
    for (const note of notes) {
      other.merge(note)
    }
    expect(other.begun(id)).toBe(true)
    // And the newest streams.
    expect(other.of(id, streamOf(600)).has(1)).toBe(true)
    await progress.flush()
  })

  it('fits into its message, and what is left is told the next time', async () => {
    const { progress } = await made()
    for (let boot = 1; boot <= 512; boot += 1) {
      for (let range = 0; range < 64; range += 1) {
        progress.pass(id, streamOf(boot), range * 1000 + 1, range * 1000 + 50)
      }
      progress.add(id, streamOf(boot), 1, 1)
    }
    const told = new Map<number, number>()
    const head = { author: streamOf(1).author, boot: 1_700_000_000_000, channel: 0, high: 1000 }
    const heads = Array.from({ length: 2048 }, () => head)
    for (let version = 0; ;) {
      const { notes, version: progressed } = progress.after(version, 512)
      const known = { boot: 1, registrations: 1, progress: progressed }
      ExchangeReply.encode({ heads, version: known, registrations: [], progress: [...notes] })
      for (const { handled, stream } of notes) {
        told.set(stream.boot, handled.length)
      }
      if (progressed === version) {
        break
      }
      version = progressed
    }
    expect([told.size, Math.min(...told.values())]).toEqual([512, 64])
    RegisterReply.encode({ heads, progress: [...progress.notesOf(id, 512)] })
    await progress.flush()
  })
})

describe('what is known of streams that have ended', () => {
  it('is forgotten once nothing of them can come any more', async () => {
    const store = createMemoryStore()
    const { clock, progress } = await made(store)
    const index = new LogIndex()
    const rows: LogRow[] = [1, 2, 3, 4].map((boot) => ({
      number: boot,
      stream: streamOf(boot),
      first: 1,
      count: 3,
      bytes: 100,
      loggedAt: clock.now(),
      time: clock.now(),
      durable: true,
      copy: false
    }))
    for (const row of rows) {
      index.add(row)
      progress.add(id, row.stream, 1, 3)
    }
    progress.begin(id)
    await progress.flush()
    const hole = ({ boot }: StreamName): { from: number; to: number } | undefined =>
      boot === 1 ? { from: 1, to: 3 } : undefined
    const init = { log: { index }, progress, clock, logAgeMs: 1000, hole }
    const tidying = new Tidying(init)
    for (const row of rows) {
      index.remove(row)
    }
    const kept = (): number[] => [...index.streams()].map(({ name }) => name.boot)
    clock.time += 61_000
    tidying.tick()
    // The first one is waited for, the newest two may go on.
    expect(kept()).toEqual([1, 3, 4])
    expect(bootsOf(progress)).toEqual([0, 1, 2, 3, 4])
    clock.time += day
    tidying.tick()
    await settle()
    expect(bootsOf(progress)).toEqual([0, 1, 3, 4])
    await progress.flush()
    const { progress: after } = await made(store, clock)
    expect(bootsOf(after)).toEqual([0, 1, 3, 4])
  })
})

describe('the durable subscriptions that a peer knows', () => {
  it('change at their limit, and make room of what was removed long ago', async () => {
    const clock = new VirtualClock()
    const registrations = new Registrations({
      store: createMemoryStore(),
      clock,
      onCorrupt: () => undefined
    })
    const put = (number: number, removed: boolean): Promise<boolean> =>
      registrations.put({
        id: `p/${number}`,
        peer: 'p',
        pattern: 'order.*',
        version: clock.now(),
        removed
      })
    for (let number = 0; number < 4096; number += 1) {
      await put(number, number % 2 === 0)
    }
    clock.time += 1
    expect(await put(1, true)).toBe(true)
    await expect(put(5000, false)).rejects.toMatchObject({ name: 'OverloadedError' })
    clock.time += 7 * day
    expect(await put(5000, false)).toBe(true)
    expect(registrations.list()).toHaveLength(2049)
    const told = registrations.after(0, 512)
    expect(told.registrations).toHaveLength(512)
    expect(registrations.after(told.version, 4096).registrations).toHaveLength(2049 - 512)
  })
})
