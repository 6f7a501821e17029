import { describe, expect, it } from 'vitest'
import { RunQueue } from '../src/core/run-queue.ts'

/** A queue whose turns and time the test moves; each piece of work takes `costMs`. */
function createBench(costMs: number) {
  const state = { now: 0 }
  const turns: (() => void)[] = []
  const queue = new RunQueue({
    now: () => state.now,
    nextTurn: (task) => void turns.push(task),
    sliceMs: 10,
    startsStart: 64,
    startsMax: 4_096
  })
  const log: string[] = []
  const submit = (peer: string, name: string, patienceMs = 1_000): (() => void) => {
    const begin = (): void => {
      log.push(name)
      state.now += costMs
    }
    const shed = (): void => void log.push(`shed ${name}`)
    if (!queue.begins()) return queue.add(peer, { patienceMs, begin, shed })
    begin()
    return () => {}
  }
  const turn = (): void => {
    for (const task of turns.splice(0)) task()
  }
  return { state, queue, log, submit, turn }
}

describe('requests that begin', () => {
  it('begin at once while there is little to do', () => {
    const { log, submit, queue } = createBench(0)
    for (let index = 0; index < 50; index++) submit('a', String(index))
    expect(log).toHaveLength(50)
    expect(queue.size).toBe(0)
  })

  it('wait for the next turn above 10 ms of work, in their order', () => {
    const { log, submit, turn, queue } = createBench(2)
    for (let index = 0; index < 12; index++) submit('a', String(index))
    expect(log).toEqual(['0', '1', '2', '3', '4'])
    expect(queue.size).toBe(7)
    turn()
    turn()
    expect(log).toEqual(Array.from({ length: 12 }, (_, index) => String(index)))
  })

  it('of one peer do not hold up those of another', () => {
    const { log, submit, turn } = createBench(2)
    for (let index = 0; index < 100; index++) submit('flood', `f${index}`)
    submit('quiet', 'q')
    turn()
    expect(log.slice(5)).toContain('q')
  })

  it('sheds what waited for half of its time, and works on nothing that was given up', () => {
    const { state, log, submit, turn } = createBench(2)
    for (let index = 0; index < 5; index++) submit('a', String(index))
    const giveUp = submit('a', 'given up')
    submit('a', 'late', 50)
    submit('a', 'patient', 5_000)
    state.now += 60
    giveUp()
    turn()
    expect(log.slice(5)).toEqual(['shed late', 'patient'])
  })

  it('keep nothing of what was given up', () => {
    const { log, submit, turn, queue } = createBench(2)
    const leaves = Array.from({ length: 1_000 }, (_, index) => submit('a', String(index)))
    expect(queue.size).toBe(995)
    for (const leave of leaves) leave()
    expect(queue.size).toBe(0)
    turn()
    expect(log).toHaveLength(5)
  })

  it('are told how long they would wait, by what others cost and by whose turn it is', () => {
    const { submit, turn, queue } = createBench(2)
    expect(queue.waitMs('a')).toBe(0)
    for (let index = 0; index < 10; index++) submit('a', String(index))
    turn()
    turn()
    for (let index = 0; index < 105; index++) submit('a', String(index))
    expect(queue.size).toBe(100)
    expect(queue.waitMs('a')).toBe(200)
    expect(queue.waitMs('b')).toBe(2)
  })

  it('are not judged for long by one turn that something else held up', () => {
    const { state, submit, turn, queue } = createBench(0.1)
    submit('a', 'first')
    state.now += 3_000
    turn()
    for (let index = 0; index < 400; index++) submit('a', String(index))
    while (queue.size > 0) turn()
    for (let index = 0; index < 400; index++) submit('a', String(index))
    expect(queue.waitMs('a')).toBeLessThan(4 * 0.1 * queue.size)
  })

  it('follow the length of turns where their work is not seen', () => {
    const { state, log, submit, turn } = createBench(0)
    // Each begins at once and then works for 1 ms after the turn, as promises do.
    const counts: number[] = []
    for (let index = 0; index < 2_000; index++) submit('a', String(index))
    let before = 0
    for (let round = 0; round < 40 && log.length < 2_000; round++) {
      state.now += log.length - before
      counts.push(log.length - before)
      before = log.length
      turn()
    }
    const last = counts.slice(-10)
    expect(Math.max(...last)).toBeLessThanOrEqual(20)
    expect(Math.min(...last)).toBeGreaterThanOrEqual(5)
  })
})
