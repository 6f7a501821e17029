import { expect, test } from 'vitest'
import {
  assertLinearizable,
  checkLinearizable,
  createHistory,
  createRandom,
  listModel,
  registerModel
} from '../src/index.ts'
import type {
  History,
  ListInput,
  ListOutput,
  RegisterInput,
  RegisterOutput,
  RegisterValue
} from '../src/index.ts'

type Registers = History<RegisterInput, RegisterOutput>

const registers = (): Registers => createHistory<RegisterInput, RegisterOutput>()
const resultOf = ({ operations }: Registers): string => {
  return checkLinearizable(operations, registerModel).result
}
const write = (history: Registers, value: RegisterValue) => {
  return history.invoke('writer', 'x', { kind: 'write', value })
}
const read = (history: Registers, client = 'reader') => {
  return history.invoke(client, 'x', { kind: 'read' })
}

test('an empty history is linearizable, and an empty register reads as nothing', () => {
  const history = registers()
  expect(resultOf(history)).toBe('linearizable')
  read(history).ok({ value: undefined })
  expect(resultOf(history)).toBe('linearizable')
  read(history).ok({ value: 1 })
  expect(resultOf(history)).toBe('violation')
})

test('a write takes effect at one moment between its beginning and its end', () => {
  const one = registers()
  const writing = write(one, 100)
  const early = read(one, 'a')
  read(one, 'b').ok({ value: undefined })
  early.ok({ value: 100 })
  writing.ok({})
  expect(resultOf(one)).toBe('linearizable')

  // The same with the reads one after the other: the second one goes back in time.
  const other = registers()
  const long = write(other, 200)
  read(other, 'a').ok({ value: 200 })
  read(other, 'b').ok({ value: undefined })
  long.ok({})
  expect(resultOf(other)).toBe('violation')
})

test('a read after an acknowledged write sees it', () => {
  const history = registers()
  write(history, 1).ok({})
  write(history, 2).ok({})
  read(history).ok({ value: 1 })
  expect(resultOf(history)).toBe('violation')
})

test('an operation of unknown outcome may take effect late, once, or never', () => {
  const late = registers()
  write(late, 1).ok({})
  write(late, 2) // never answered
  read(late).ok({ value: 1 })
  read(late).ok({ value: 2 })
  expect(resultOf(late)).toBe('linearizable')
  read(late).ok({ value: 1 })
  expect(resultOf(late)).toBe('violation')

  const never = registers()
  write(never, 1).ok({})
  write(never, 2)
  read(never).ok({ value: 1 })
  expect(resultOf(never)).toBe('linearizable')
})

test('a failed operation never takes effect', () => {
  const history = registers()
  write(history, 1).ok({})
  write(history, 2).failed()
  read(history).ok({ value: 2 })
  expect(resultOf(history)).toBe('violation')
})

test('of two compare-and-sets of one value only one finds it', () => {
  const swap = (history: Registers, to: number) => {
    return history.invoke(`c${to}`, 'x', { kind: 'cas', from: 0, to })
  }
  for (const [second, expected] of [
    [false, 'linearizable'],
    [true, 'violation']
  ] as const) {
    const history = registers()
    write(history, 0).ok({})
    const [one, two] = [swap(history, 1), swap(history, 2)]
    one.ok({ swapped: true })
    two.ok({ swapped: second })
    expect(resultOf(history)).toBe(expected)
  }
  // One that misses though the value was there all the time.
  const history = registers()
  write(history, 0).ok({})
  swap(history, 1).ok({ swapped: false })
  expect(resultOf(history)).toBe('violation')
})

test('keys are independent, and the key that is wrong is named', () => {
  const history = registers()
  write(history, 1).ok({})
  history.invoke('a', 'y', { kind: 'read' }).ok({ value: undefined })
  expect(resultOf(history)).toBe('linearizable')
  history.invoke('a', 'y', { kind: 'read' }).ok({ value: 1 })
  const found = checkLinearizable(history.operations, registerModel)
  expect(found).toMatchObject({ result: 'violation', key: 'y' })
  expect(() => assertLinearizable(history.operations, registerModel)).toThrow(/under y explains/)
})

test('a lost append shows in a list where a blind write would hide it', () => {
  const history = createHistory<ListInput, ListOutput>()
  const append = (element: string) => history.invoke('a', 'l', { kind: 'append', element })
  append('1').ok({ list: ['1'] })
  append('2') // unknown
  append('3').ok({ list: ['1', '3'] })
  expect(checkLinearizable(history.operations, listModel).result).toBe('linearizable')
  history.invoke('b', 'l', { kind: 'read' }).ok({ list: ['1', '2', '3'] })
  expect(checkLinearizable(history.operations, listModel).result).toBe('violation')
})

test('what the steps do not suffice for is undecided, which is no pass', () => {
  const history = registers()
  for (let value = 0; value < 12; value++) {
    history.invoke(`c${value}`, 'x', { kind: 'write', value })
  }
  read(history).ok({ value: 99 })
  const found = checkLinearizable(history.operations, registerModel, { stepsMax: 500 })
  expect(found).toMatchObject({ result: 'undecided', key: 'x' })
  expect(() => {
    assertLinearizable(history.operations, registerModel, { stepsMax: 500 })
  }).toThrow(/not decided/)
  expect(resultOf(history)).toBe('violation')
})

/** Runs of a real register: each operation takes effect at some moment while it is open. */
function generated(seed: number, count: number): { history: Registers; reads: number[] } {
  const random = createRandom(seed)
  const history = registers()
  const reads: number[] = []
  let state: RegisterValue
  const open = new Map<number, () => void>()
  for (let made = 0; made < count || open.size > 0;) {
    const client = Math.floor(random.next() * 8)
    const end = open.get(client)
    if (end !== undefined) {
      end()
      open.delete(client)
    } else if (made < count) {
      made++
      const value = Math.floor(random.next() * 5)
      const kind = random.next()
      const isUnknown = kind < 0.8 && random.next() < 0.2
      let output: RegisterOutput = {}
      if (kind < 0.4) {
        const operation = history.invoke(`c${client}`, 'x', { kind: 'write', value })
        state = value
        open.set(client, () => isUnknown || operation.ok({}))
      } else if (kind < 0.8) {
        const to = (value + 1) % 5
        const operation = history.invoke(`c${client}`, 'x', { kind: 'cas', from: value, to })
        const swapped = state === value
        state = swapped ? to : state
        open.set(client, () => isUnknown || operation.ok({ swapped }))
      } else {
        const operation = history.invoke(`c${client}`, 'x', { kind: 'read' })
        output = { value: state }
        reads.push(history.operations.length - 1)
        open.set(client, () => operation.ok(output))
      }
    }
  }
  return { history, reads }
}

test('a thousand operations of eight clients are decided, and one wrong read is found', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const { history, reads } = generated(seed, 1000)
    expect(checkLinearizable(history.operations, registerModel).result).toBe('linearizable')
    // Early: each open operation of unknown outcome doubles what must be tried to say no.
    const wrong = reads[8] ?? 0
    const operations = history.operations.map((operation, at) => {
      const outcome = { status: 'ok', output: { value: 'never written' } } as const
      return at === wrong ? { ...operation, outcome } : operation
    })
    expect(checkLinearizable(operations, registerModel).result).toBe('violation')
  }
})
