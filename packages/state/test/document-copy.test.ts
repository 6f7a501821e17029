import { counter, createDocument, map, set } from '@murmuration/crdt'
import { MessageTooLargeError } from '@murmuration/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DocumentCopy } from '../src/core/document-copy.ts'
import { createEntry, decodeEntry } from '../src/core/entry.ts'
import { decodeState, encodeState } from '../src/core/messages.ts'

const schema = { hits: map(counter()), total: counter(), tags: set<string>() }
const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const
const nothing = new Uint8Array(0)

/** Executes the update of a key: always the same operations, whoever does it. */
function execute(copy: DocumentCopy, init: { key: number; view: number; writer: string }) {
  const { key, view } = init
  const { draft, operations } = copy.live.draft(schema)
  draft.hits.get(`k${key}`).increment()
  draft.total.increment(key + 1)
  if (key % 3 === 2) {
    draft.tags.remove(`k${key - 1}`)
  } else {
    draft.tags.add(`k${key}`)
  }
  return copy.execute({
    operations,
    writer: copy.writer(() => `${init.writer}.${view}`),
    time: { time: view, tick: 0 },
    epoch: { view, boot: 1 },
    key: { session: `s${key % 2}`, sequence: key >> 1 },
    result: nothing,
    deltaBytesMax: 10_000
  })
}

function clone(copy: DocumentCopy): DocumentCopy {
  return DocumentCopy.from(decodeState(encodeState(copy.state())))
}

function merged(...copies: readonly DocumentCopy[]): DocumentCopy {
  const result = new DocumentCopy(record)
  for (const copy of copies) {
    result.merge(clone(copy))
  }
  return result
}

function valueOf(copy: DocumentCopy) {
  const { hits, total, tags } = copy.live.value(schema)
  return {
    hits: Object.fromEntries(Object.entries(hits).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    total,
    tags: tags.toSorted()
  }
}

type Step =
  | { readonly kind: 'execute'; readonly copy: number; readonly key: number }
  | { readonly kind: 'send'; readonly from: number; readonly to: number }
  | { readonly kind: 'restamp'; readonly copy: number; readonly key: number }
  | { readonly kind: 'fold'; readonly copies: readonly number[]; readonly to: number }

const copy = fc.integer({ min: 0, max: 2 })
const key = fc.integer({ min: 0, max: 9 })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('execute' as const), copy, key }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('send' as const), from: copy, to: copy })
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restamp' as const), copy, key }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('fold' as const),
        copies: fc.uniqueArray(copy, { minLength: 1 }),
        to: fc.integer({ min: 1, max: 4 })
      })
    }
  ),
  { maxLength: 30 }
)

/** Three copies after a schedule; a fold happens where all hold the same, as the owner sees to. */
function play(schedule: readonly Step[]): { copies: DocumentCopy[]; executed: Set<number> } {
  const copies = [0, 1, 2].map(() => new DocumentCopy(record))
  const executed = new Set<number>()
  /** What clients have passed they do not ask for again. */
  let passed = 0
  schedule.forEach((step, at) => {
    if (step.kind === 'execute' || step.kind === 'restamp') {
      const target = copies[step.copy]!
      const [session, sequence] = [`s${step.key % 2}`, step.key >> 1]
      const known = target.get(`${sequence}/${session}`)
      if (step.kind === 'restamp' && known !== undefined) {
        target.restamp(known, { view: at + 1, boot: 1 })
      } else if (known === undefined && sequence >= passed) {
        execute(target, { key: step.key, view: at + 1, writer: `w${step.copy}` })
        executed.add(step.key)
      }
    } else if (step.kind === 'send') {
      copies[step.to]!.merge(clone(copies[step.from]!))
    } else {
      const all = merged(...copies)
      copies.forEach((one) => one.merge(clone(all)))
      const [folding] = step.copies
      passed = Math.max(passed, step.to)
      const plan = ['s0', 's1'].map((session) => copies[folding!]!.planFold(session, step.to))
      step.copies.forEach((one) => copies[one]!.fold(plan))
    }
  })
  return { copies, executed }
}

test('merging full copies is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      const [a, b, c] = play(schedule).copies as [DocumentCopy, DocumentCopy, DocumentCopy]
      const left = merged(merged(a, b), c)
      const right = merged(a, merged(c, b))
      expect(left.digestAsText).toBe(right.digestAsText)
      expect(valueOf(left)).toEqual(valueOf(right))
      expect(left.merge(clone(right))).toBe(false)
      expect(left.merge(clone(a))).toBe(false)
    }),
    { numRuns: 300 }
  )
})

test('every executed key counts exactly once, however often it was executed', () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      const { copies, executed } = play(schedule)
      const { hits, total } = valueOf(merged(...copies))
      expect(Object.keys(hits).toSorted()).toEqual([...executed].map((one) => `k${one}`).toSorted())
      expect(Object.values(hits).every((count) => count === 1)).toBe(true)
      expect(total).toBe([...executed].reduce((sum, one) => sum + one + 1, 0))
    }),
    { numRuns: 300 }
  )
})

test('the live document is what base and entries make, however it came about', () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      for (const one of play(schedule).copies) {
        expect(valueOf(clone(one))).toEqual(valueOf(one))
      }
    }),
    { numRuns: 200 }
  )
})

test('a removal also hits an execution of its key that comes later', () => {
  const former = new DocumentCopy(record)
  execute(former, { key: 1, view: 1, writer: 'a' })
  const removal = execute(former, { key: 2, view: 1, writer: 'a' })
  expect(valueOf(former).tags).toEqual([])
  const next = new DocumentCopy(record)
  next.add(decodeEntry(removal.bytes))
  execute(next, { key: 1, view: 2, writer: 'b' })
  expect(valueOf(next)).toMatchObject({ tags: [], total: 5 })
  expect(valueOf(merged(former, next))).toMatchObject({ tags: [], total: 5 })
})

test('a fold is refused by a copy that holds other entries', () => {
  const owner = new DocumentCopy(record)
  execute(owner, { key: 0, view: 1, writer: 'a' })
  const replica = new DocumentCopy(record)
  execute(replica, { key: 0, view: 2, writer: 'b' })
  const step = owner.planFold('s0', 1)
  expect(replica.fold([step])).toBe(false)
  expect(replica.floorOf('s0')).toBe(0)
  expect(owner.fold([step])).toBe(true)
  expect(owner.entryCount).toBe(0)
  expect(owner.add(decodeEntry([...replica.entries()][0]!.bytes))).toBeUndefined()
  expect(valueOf(owner).total).toBe(1)
})

test('an update that is too large changes nothing', () => {
  const one = new DocumentCopy(record)
  const { draft, operations } = one.live.draft(schema)
  draft.tags.add('x'.repeat(500))
  const init = { operations, writer: 'a', time: { time: 1, tick: 0 }, result: nothing }
  expect(() =>
    one.execute({ ...init, epoch: { view: 1, boot: 1 }, key: undefined, deltaBytesMax: 100 })
  ).toThrow(MessageTooLargeError)
  expect(valueOf(one)).toEqual({ hits: {}, total: 0, tags: [] })
  expect(one.empty).toBe(true)
})

test('an entry with a broken delta is refused and changes nothing', () => {
  const one = new DocumentCopy(record)
  const good = execute(one, { key: 0, view: 1, writer: 'a' })
  const before = one.digestAsText
  const bad = createEntry({ ...good, sequence: 7, delta: Uint8Array.of(255, 1, 2) })
  expect(() => one.add(bad)).toThrow(expect.objectContaining({ name: 'MalformedMessageError' }))
  const replaced = createEntry({
    ...good,
    stamp: { view: 9, boot: 1 },
    writer: 'b',
    delta: bad.delta
  })
  expect(() => one.add(replaced)).toThrow(
    expect.objectContaining({ name: 'MalformedMessageError' })
  )
  expect(one.digestAsText).toBe(before)
  expect(valueOf(one).total).toBe(1)
})

test('bytes that are no state are refused', () => {
  const one = new DocumentCopy(record)
  execute(one, { key: 0, view: 1, writer: 'a' })
  const bytes = encodeState(one.state())
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const broken = bytes.slice()
      broken[at]! ^= flip
      try {
        DocumentCopy.from(decodeState(broken)).verify()
      } catch (error) {
        // The second one where the name of a writer is damaged, so that its dots are another's.
        expect(['MalformedMessageError', 'InvalidSignatureError']).toContain((error as Error).name)
      }
    }),
    { numRuns: 300 }
  )
})

test('the base stays as large as the content, not as the number of updates', () => {
  const one = new DocumentCopy(record)
  for (let number = 0; number < 2000; number++) {
    const { draft, operations } = one.live.draft(schema)
    draft.total.increment()
    one.execute({
      operations,
      writer: one.writer(() => 'w'),
      time: { time: number, tick: 0 },
      epoch: { view: 1, boot: 1 },
      key: undefined,
      result: nothing,
      deltaBytesMax: 10_000
    })
    if (number % 50 === 49) {
      expect(one.fold([one.planFold('~w', number + 2)])).toBe(true)
    }
  }
  expect(valueOf(one).total).toBe(2000)
  expect(one.baseBytes).toBeLessThan(createDocument().encode().length + 60)
})
