import { describe, expect, it } from 'vitest'
import { Deadlines } from '../src/core/deadlines.ts'
import { FrameReader } from '../src/core/frame-reader.ts'
import type { Frame } from '../src/core/frames.ts'
import { checkLimits } from '../src/core/limits.ts'
import { Methods } from '../src/core/methods.ts'
import { Outbox } from '../src/core/outbox.ts'
import { RunQueue } from '../src/core/run-queue.ts'
import { Serving } from '../src/core/serving.ts'
import { ManualClock } from './manual-clock.ts'

const COST_MS = 2

/** The serving end of a stream; each request takes two milliseconds of the only processor. */
function createServer() {
  const clock = new ManualClock()
  const turns: (() => void)[] = []
  const answers = new Outbox()
  const methods = new Methods(1_024)
  const remaining: number[] = []
  methods.addUnary('work', (_, context) => {
    remaining.push(context.remainingMs)
    clock.advance(COST_MS)
    return new Uint8Array()
  })
  const load = { running: 0 }
  const serving = new Serving({
    peer: 'caller',
    methods,
    load,
    outbox: answers,
    deadlines: new Deadlines(clock),
    limits: checkLimits({}),
    runs: new RunQueue({
      now: () => clock.monotonic(),
      nextTurn: (task) => void turns.push(task),
      sliceMs: 10,
      startsStart: 64,
      startsMax: 4_096
    }),
    wake: () => {},
    end: (reason) => {
      throw reason
    }
  })
  serving.receive({ type: 'hello', version: 1, messageBytesMax: 1_000_000 })
  serving.receive({ type: 'name', index: 0, name: 'work' })
  let last = 0
  const ask = (remainingMs: number): number => {
    const id = ++last
    serving.receive({ type: 'request', id, remainingMs, method: 0, payload: new Uint8Array() })
    return id
  }
  const turn = (): void => {
    for (const task of turns.splice(0)) task()
  }
  /** What was answered since the last look. */
  const answered = (): { readonly id: number; readonly what: string }[] => {
    const seen: Frame[] = []
    const reader = new FrameReader({ frameBytesMax: 1_000_000, onFrame: (one) => seen.push(one) })
    for (let bytes = answers.peek(); bytes !== undefined; bytes = answers.peek()) {
      answers.left()
      reader.push(bytes)
    }
    return seen.flatMap((frame) => {
      if (frame.type === 'reply') return [{ id: frame.id, what: 'reply' }]
      return frame.type === 'failure' ? [{ id: frame.id, what: frame.name }] : []
    })
  }
  return { clock, ask, turn, answered, remaining, load, serving }
}

type Server = ReturnType<typeof createServer>

/** Has so many requests wait that can wait for very long. */
function occupy({ ask, turn, answered }: Server, waiting: number): void {
  for (let index = 0; index < 5; index++) ask(100_000)
  turn()
  for (let index = 0; index < waiting + 5; index++) ask(100_000)
  answered()
}

describe('a request to a peer that is busy', () => {
  it('is shed at once where it would wait for more than half of its time', () => {
    const server = createServer()
    occupy(server, 100)
    const { ask, answered, load } = server
    const before = load.running
    const id = ask(300)
    expect(answered()).toEqual([{ id, what: 'OverloadedError' }])
    expect(load.running).toBe(before)
    ask(500)
    expect(answered()).toEqual([])
    expect(load.running).toBe(before + 1)
  })

  it('is shed at half of its time, however long those before it can wait', () => {
    const server = createServer()
    occupy(server, 100)
    const { ask, answered, clock, load } = server
    const id = ask(500)
    const before = load.running
    // Something holds up this process, so that the estimate was wrong.
    clock.advance(249)
    expect(answered()).toEqual([])
    clock.advance(6)
    expect(answered()).toEqual([{ id, what: 'OverloadedError' }])
    expect(load.running).toBe(before - 1)
  })

  it('tells its handler what is left of its time', () => {
    const server = createServer()
    occupy(server, 50)
    const { ask, turn, remaining, answered } = server
    const id = ask(1_000)
    while (!answered().some((one) => one.id === id)) turn()
    expect(remaining.at(-1)).toBe(1_000 - 50 * COST_MS)
  })

  it('that is cancelled while it waits is never begun, and its place is free', () => {
    const server = createServer()
    occupy(server, 50)
    const { ask, turn, remaining, load, serving } = server
    const id = ask(1_000)
    const before = load.running
    serving.receive({ type: 'cancel', id })
    expect(load.running).toBe(before - 1)
    for (let round = 0; round < 20; round++) turn()
    expect(load.running).toBe(0)
    expect(remaining).not.toContain(1_000 - 50 * COST_MS)
    expect(remaining).toHaveLength(60)
  })

  it('keeps its answers in time at ten times what it can do', () => {
    const { ask, turn, answered, clock, load } = createServer()
    const deadlines = new Map<number, number>()
    let inTime = 0
    let most = 0
    let offered = 0
    for (const from = clock.monotonic(); clock.monotonic() - from < 5_000;) {
      const due = (10 * (clock.monotonic() - from)) / COST_MS
      for (; offered < due; offered++) deadlines.set(ask(500), clock.monotonic() + 500)
      most = Math.max(most, load.running)
      const before = clock.monotonic()
      turn()
      if (clock.monotonic() === before) clock.advance(1)
      for (const { id, what } of answered()) {
        if (what === 'reply' && clock.monotonic() <= (deadlines.get(id) ?? 0)) inTime++
      }
    }
    expect(inTime).toBeGreaterThan(0.95 * (5_000 / COST_MS))
    // What waits is what can be done in half of the time, not what was offered in it.
    expect(most).toBeLessThan(1.5 * (250 / COST_MS))
  })
})
