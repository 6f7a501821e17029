import { afterAll, beforeAll, expect, test } from 'vitest'
import { ProcessGroup, sleep } from './process-group.ts'

const group = new ProcessGroup()

beforeAll(async () => {
  await group.begin(5)
}, 120_000)

afterAll(async () => {
  await group.end()
})

test('a process that is stopped for 3 s stays in the view', async () => {
  const numbers = group.members.map(({ number }) => number)
  const [, , , victim] = group.members
  victim?.process.kill('SIGSTOP')
  await sleep(3000)
  victim?.process.kill('SIGCONT')
  await sleep(3000)
  expect(group.members.map(({ number }) => number)).toEqual(numbers)
  expect(group.members.flatMap(({ replaceable }) => [...replaceable])).toEqual([])
  await group.until('it holds its lease again', () => victim?.held === true)
})

test('a killed process is out of the view within a second, and then its lease ends', async () => {
  const [victim] = group.members.splice(2, 1)
  if (victim === undefined) {
    throw new Error('there are five processes')
  }
  victim.process.kill('SIGKILL')
  const took = await group.until('the killed one is out', () => group.isOne())
  console.log(`kill -9 to a view without it on all ${group.members.length}: ${took.toFixed(0)} ms`)
  expect(took).toBeLessThan(1000)
  const isReplaceable = (): boolean =>
    group.members.every(({ replaceable }) => replaceable.has(victim.peer))
  expect(isReplaceable()).toBe(false)
  await group.until('it may be replaced', isReplaceable, 3000)
})
