import { expect, test } from 'vitest'
import { readOptions } from '../src/options.ts'
import { divide, Schedule, taskOf } from '../src/schedule.ts'

test('runs are divided by share, and their sum is exact', () => {
  const shares = [
    { name: 'a', share: 1 },
    { name: 'b', share: 1 },
    { name: 'c', share: 1 },
    { name: 'd', share: 997 }
  ]
  for (const runs of [1, 7, 10_000, 1_000_003]) {
    const counts = divide(runs, shares)
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(runs)
    expect(Math.abs((counts.get('d') ?? 0) - runs * 0.997)).toBeLessThan(1)
  }
})

test('every seed is handed out once, and tasks advance together', () => {
  const tasks = [
    taskOf('a', { first: 5, count: 1000 }),
    taskOf('b', { first: 5, count: 100 })
  ] as const
  const schedule = new Schedule(tasks)
  const seeds = new Map<string, number[]>([
    ['a', []],
    ['b', []]
  ])
  for (let next = schedule.next(); next !== undefined; next = schedule.next()) {
    const { task, chunk } = next
    expect(Math.abs(tasks[0].handed / 1000 - tasks[1].handed / 100)).toBeLessThan(0.1)
    for (let at = 0; at < chunk.count; at++) seeds.get(chunk.name)?.push(chunk.first + at)
    schedule.finished(task, chunk, chunk.count, chunk.count * 100)
  }
  expect(seeds.get('a')).toEqual(Array.from({ length: 1000 }, (_, at) => at + 5))
  expect(seeds.get('b')).toEqual(Array.from({ length: 100 }, (_, at) => at + 5))
  expect(tasks.map(({ done }) => done)).toEqual([1000, 100])
})

test('what is kept for later has no gaps: chunks that end early wait for those before them', () => {
  const task = taskOf('a', { first: 0, count: 6 })
  const schedule = new Schedule([task])
  const chunks = [schedule.next(), schedule.next(), schedule.next()]
  const end = (at: number, completed = 2): void => {
    const chunk = chunks[at]?.chunk
    if (chunk !== undefined) schedule.finished(task, chunk, completed, 1)
  }
  end(2)
  end(1, 1)
  expect([task.done, task.donePrefix]).toEqual([3, 0])
  end(0)
  expect([task.done, task.donePrefix]).toEqual([5, 3])
})

test('options that make no sense are refused in one sentence', () => {
  const refusals: [string[], RegExp][] = [
    [['--bogus'], /^Unknown option '--bogus'\.$/],
    [['surplus'], /^Unexpected argument 'surplus'\.$/],
    [['--runs'], /^Option '--runs <value>' argument missing\.$/],
    [['--runs', '0'], /^--runs takes a whole number from 1 to \d+, not "0"\.$/],
    [['--seed', 'x'], /^--seed takes a whole number/],
    [['--trace'], /^--trace shows one run: it needs --seed S and --runs 1\.$/],
    [['--mutants', '--corpus'], /^Only one of/],
    [['--mutants', '--resume', 'f'], /^--resume goes on with runs of workloads only\.$/]
  ]
  for (const [args, text] of refusals) {
    expect(() => readOptions(args)).toThrow(text)
  }
  expect(readOptions(['--runs', '1_000_000', '--seed', '3'])).toMatchObject({
    runs: 1_000_000,
    seed: 3
  })
})
