import { counter, lww, map, nextStamp, set } from '@murmuration/crdt'
import type { Operation, VersionVector } from '@murmuration/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DocumentCopy } from '../../src/core/document-copy.ts'
import { compareEntries, decodeEntry, entryKey, parseEntryKey } from '../../src/core/entry.ts'
import type { Entry, EntryKey } from '../../src/core/entry.ts'
import { decodeState, encodeState } from '../../src/core/messages.ts'

type CopyState = ReturnType<DocumentCopy['state']>
type FoldStep = ReturnType<DocumentCopy['planFold']>

const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const
const schema = {
  total: counter(),
  hits: map(counter()),
  tags: set<string>(),
  label: lww<string>()
}
const sessions = ['s', 't', 'u']
const sequences = 4

type Draft = ReturnType<typeof draftOf>['draft']

function draftOf(copy: DocumentCopy) {
  return copy.live.draft(schema)
}

function copyOf(state: CopyState): DocumentCopy {
  return DocumentCopy.from(decodeState(encodeState(state)))
}

function clone(copy: DocumentCopy): DocumentCopy {
  return copyOf(copy.state())
}

function joined(...copies: readonly DocumentCopy[]): DocumentCopy {
  const sum = new DocumentCopy(record)
  copies.forEach((copy) => sum.merge(copy))
  return sum
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

interface Fingerprint {
  readonly digest: string
  readonly live: string
  readonly base: string
  readonly floors: readonly string[]
  readonly entries: readonly string[]
  readonly version: VersionVector
}

/** All that two copies must have in common to be equal, in a fixed order. */
function fingerprint(copy: DocumentCopy): Fingerprint {
  const { base, floors, entries } = copy.state()
  return {
    digest: copy.digestAsText,
    live: hex(copy.live.encode()),
    base: hex(base),
    floors: floors.map(([session, floor]) => `${session} ${floor}`).toSorted(),
    entries: entries.map((entry) => `${entry.key} ${hex(entry.bytes)}`).toSorted(),
    version: copy.live.version
  }
}

/** What is kept incrementally is what base and entries give, in whatever order they are read. */
function expectDerived(copy: DocumentCopy): void {
  const state = copy.state()
  const turned = { ...state, entries: state.entries.toReversed() }
  expect(fingerprint(copyOf(turned))).toEqual(fingerprint(copy))
  const bytes = state.entries.reduce((sum, entry) => sum + entry.bytes.length, 0)
  expect([copy.entryCount, copy.entryBytes]).toEqual([state.entries.length, bytes])
}

/** What the update of a key does: the same, whoever executes it. */
function updateOf(key: EntryKey): { by: number; tag?: string; removes?: string; label?: string } {
  const { session, sequence } = parseEntryKey(key)
  const by = 1 + sequence + 10 * sessions.indexOf(session)
  switch (sequence % 4) {
    case 0:
    case 1:
      return { by, tag: key }
    case 2:
      return { by, removes: entryKey(sessions[(sequences + by) % 3] ?? 's', by % 2) }
    default:
      return { by, label: key }
  }
}

interface Execution {
  readonly writer: string
  readonly execution: number
  /** Of a removal: the tag was there. */
  readonly removed: boolean
  view: number
  boot: number
}

/** Owners that execute the same keys without knowing of each other, and exchange what they have. */
class Owners {
  readonly copies = Array.from({ length: 3 }, () => new DocumentCopy(record))
  readonly disks = this.copies.map(() => new SimulatedDisk())
  /** Every execution that ever was, by key. */
  readonly executions = new Map<EntryKey, Execution[]>()
  /** Below it a client has had everything confirmed, and asks for nothing again. */
  readonly #lowest = new Map<string, number>()
  #writers = 0
  #time = 0

  run(step: Step): void {
    const copy = this.at(step.copy)
    const key = entryKey(sessions[step.session] ?? 's', step.sequence)
    switch (step.kind) {
      case 'execute':
        this.execute(copy, key, { view: step.view, boot: 1 + step.copy })
        break
      case 'merge':
        copy.merge(clone(this.at(step.other)))
        break
      case 'send':
        this.#send(copy, this.at(step.other), step.sequence)
        break
      case 'restamp':
        this.#restamp(copy, key, { view: step.view, boot: 1 + step.copy })
        break
      case 'save':
        this.disks[step.copy]?.save(copy, { fails: step.sequence === 0 })
        break
      case 'fold':
        this.#fold(step)
    }
  }

  at(index: number): DocumentCopy {
    const copy = this.copies[index]
    if (copy === undefined) {
      throw new Error(`no copy ${index}`)
    }
    return copy
  }

  execute(copy: DocumentCopy, key: EntryKey, epoch: { view: number; boot: number }): void {
    const { session, sequence } = parseEntryKey(key)
    if (copy.get(key) !== undefined || sequence < (this.#lowest.get(session) ?? 0)) {
      return
    }
    const { by, tag, removes, label } = updateOf(key)
    const { draft, operations } = draftOf(copy)
    const removed = removes !== undefined && draft.tags.has(removes)
    draft.total.increment(by)
    draft.hits.get(key).increment()
    if (tag !== undefined) draft.tags.add(tag)
    if (removes !== undefined) draft.tags.remove(removes)
    if (label !== undefined) draft.label.set(label)
    const { writer, execution } = copy.execute({
      operations,
      writer: copy.writer(() => `w${this.#writers++}`),
      time: nextStamp(copy.time, ++this.#time),
      epoch,
      key: { session, sequence },
      result: new TextEncoder().encode(`${by}`),
      deltaBytesMax: 10_000
    })
    const all = this.executions.get(key) ?? []
    all.push({ writer, execution, removed, ...epoch })
    this.executions.set(key, all)
  }

  #send(from: DocumentCopy, to: DocumentCopy, at: number): void {
    const entry = [...from.entries()][at]
    if (entry !== undefined) {
      to.add(decodeEntry(entry.bytes))
    }
  }

  #restamp(copy: DocumentCopy, key: EntryKey, epoch: { view: number; boot: number }): void {
    const entry = copy.get(key)
    if (entry === undefined) {
      return
    }
    const { stamp } = copy.restamp(entry, epoch)
    const same = this.executions
      .get(key)
      ?.find((one) => one.writer === entry.writer && one.execution === entry.execution)
    if (same !== undefined && (stamp.view - same.view || stamp.boot - same.boot) > 0) {
      Object.assign(same, stamp)
    }
  }

  /** As an owner does: when all hold the same; some of the others follow at once, some never do. */
  #fold({ copy, other, session, sequence }: Step): void {
    const sum = joined(...this.copies)
    this.copies.forEach((one) => one.merge(clone(sum)))
    const steps = sessions
      .filter((_, at) => at !== session)
      .map((name) => [name, Math.max(sequence, sum.floorOf(name))] as const)
      .filter(([name, to]) => to > sum.floorOf(name))
      .map(([name, to]) => sum.planFold(name, to))
    steps.forEach((step) => this.#lowest.set(step.session, step.to))
    for (const index of new Set([copy, other])) {
      const before = hex(this.at(index).live.encode())
      expect(this.at(index).fold(steps)).toBe(true)
      expect(hex(this.at(index).live.encode())).toBe(before)
    }
    expect(this.at(other).digest).toEqual(this.at(copy).digest)
  }

  /** From the history alone: each key counts once, by the execution with the highest stamp. */
  expected(sum: DocumentCopy): {
    readonly total: number
    readonly hits: Readonly<Record<string, number>>
    readonly tags: readonly string[]
  } {
    const keys = [...this.executions.keys()].filter((key) => {
      const { session, sequence } = parseEntryKey(key)
      return sum.get(key) !== undefined || sequence < sum.floorOf(session)
    })
    // Nothing that was executed may be missing once all are joined.
    expect(keys).toHaveLength(this.executions.size)
    const gone = new Set<string>()
    for (const key of keys) {
      const { removes } = updateOf(key)
      if (removes !== undefined && this.#standing(key)?.removed === true) {
        gone.add(removes)
      }
    }
    return {
      total: keys.reduce((total, key) => total + updateOf(key).by, 0),
      hits: Object.fromEntries(keys.toSorted().map((key) => [key, 1])),
      tags: keys.filter((key) => updateOf(key).tag !== undefined && !gone.has(key)).toSorted()
    }
  }

  #standing(key: EntryKey): Execution | undefined {
    return this.executions
      .get(key)
      ?.toSorted(
        (a, b) =>
          b.view - a.view ||
          b.boot - a.boot ||
          (a.writer < b.writer ? 1 : a.writer > b.writer ? -1 : b.execution - a.execution)
      )[0]
  }
}

/** What `takeChanges` has had written, as the shell does it. */
class SimulatedDisk {
  readonly #entries = new Map<EntryKey, Entry>()
  #base: CopyState | undefined

  save(copy: DocumentCopy, { fails }: { readonly fails: boolean }): void {
    const changes = copy.takeChanges()
    if (fails) {
      copy.markUnsaved(changes)
      return
    }
    if (changes.base) {
      this.#base = { ...copy.state(), entries: [] }
    }
    changes.entries.forEach((entry) => this.#entries.set(entry.key, entry))
    changes.removed.forEach((key) => this.#entries.delete(key))
  }

  load(): DocumentCopy {
    const base = this.#base ?? new DocumentCopy(record).state()
    return copyOf({ ...base, entries: [...this.#entries.values()] })
  }
}

interface Step {
  readonly kind: 'execute' | 'merge' | 'send' | 'restamp' | 'save' | 'fold'
  readonly copy: number
  readonly other: number
  readonly session: number
  readonly sequence: number
  readonly view: number
}

function stepsOf(...kinds: readonly Step['kind'][]): fc.Arbitrary<Step[]> {
  const peer = fc.nat({ max: 2 })
  const step = fc.record({
    kind: fc.constantFrom('execute' as const, 'execute' as const, ...kinds),
    copy: peer,
    other: peer,
    session: peer,
    sequence: fc.nat({ max: sequences - 1 }),
    view: fc.integer({ min: 1, max: 4 })
  })
  return fc.array(step, { maxLength: 40, size: 'max' })
}

const anySteps = stepsOf('execute', 'merge', 'send', 'send', 'restamp', 'save', 'fold')

function played(steps: readonly Step[]): Owners {
  const owners = new Owners()
  steps.forEach((step) => owners.run(step))
  return owners
}

function valueOf(copy: DocumentCopy) {
  const { total, hits, tags } = copy.live.value(schema)
  return {
    total,
    hits: Object.fromEntries(Object.entries(hits).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    tags: tags.toSorted()
  }
}

describe('merging copies', () => {
  test('is commutative, associative and idempotent, to the byte', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const [a, b, c] = played(steps).copies.map(clone) as [
          // Three, as made by `Owners`.
          DocumentCopy,
          DocumentCopy,
          DocumentCopy
        ]
        const ab = joined(a, b)
        expect(fingerprint(joined(b, a))).toEqual(fingerprint(ab))
        expect(fingerprint(joined(ab, c))).toEqual(fingerprint(joined(a, joined(b, c))))
        const before = fingerprint(ab)
        expect([ab.merge(clone(ab)), ab.merge(a), ab.merge(b)]).toEqual([false, false, false])
        expect(fingerprint(ab)).toEqual(before)
      }),
      { numRuns: 250 }
    )
  })

  test('tells by its result whether anything changed', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const [a, b] = played(steps).copies.map(clone)
        const before = a?.digestAsText
        expect(b !== undefined && a?.merge(b)).toBe(a?.digestAsText !== before)
        expect(b !== undefined && a?.merge(b)).toBe(false)
      })
    )
  })

  test('gives the same as sending the entries one by one, in any order, repeatedly', () => {
    const steps = stepsOf('execute', 'merge', 'send', 'restamp')
    fc.assert(
      fc.property(steps, fc.array(fc.nat()), (script, order) => {
        const { copies } = played(script)
        const sum = joined(...copies)
        const entries = copies.flatMap((copy) => [...copy.entries()])
        const shuffled = entries
          .map((entry, at) => ({ entry, rank: order[at % (order.length || 1)] ?? at }))
          .toSorted((a, b) => a.rank - b.rank)
          .map(({ entry }) => entry)
        const target = new DocumentCopy(record)
        for (const entry of [...shuffled, ...entries]) {
          const standing = target.add(entry)
          expect(standing).toBe(target.get(entry.key))
        }
        expect(fingerprint(target)).toEqual(fingerprint(sum))
      }),
      { numRuns: 150 }
    )
  })
})

describe('the value of joined copies', () => {
  test('counts every key once, whichever owners executed it, and removed tags stay away', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const owners = played(steps)
        const sum = joined(...owners.copies)
        expect(valueOf(sum)).toEqual(owners.expected(sum))
      }),
      { numRuns: 400 }
    )
  })

  test('is what base and entries give, on each copy, after any steps', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        played(steps).copies.forEach((copy) => expectDerived(copy))
      }),
      { numRuns: 150 }
    )
  })

  test('is found on disk again, also when writes failed in between', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const owners = played(steps)
        owners.copies.forEach((copy, at) => {
          owners.disks[at]?.save(copy, { fails: false })
          const loaded = owners.disks[at]?.load()
          expect(loaded && fingerprint(loaded)).toEqual(fingerprint(copy))
        })
      }),
      { numRuns: 150 }
    )
  })
})

/** One execution by name, for cases that are told step by step. */
function execute(
  copy: DocumentCopy,
  what: { key: string; writer: string; view: number; boot?: number; draw: (draft: Draft) => void }
): Entry {
  const { session, sequence } = parseEntryKey(what.key)
  const { draft, operations } = draftOf(copy)
  what.draw(draft)
  return run(copy, operations, { ...what, session, sequence })
}

function run(
  copy: DocumentCopy,
  operations: readonly Operation[],
  how: { session: string; sequence: number; writer: string; view: number; boot?: number }
): Entry {
  return copy.execute({
    operations,
    writer: copy.writer(() => how.writer),
    time: nextStamp(copy.time, how.view),
    epoch: { view: how.view, boot: how.boot ?? 1 },
    key: { session: how.session, sequence: how.sequence },
    result: new Uint8Array([how.view]),
    deltaBytesMax: 10_000
  })
}

function addTag(copy: DocumentCopy, writer: string, view: number): Entry {
  const draw = (draft: Draft): void => draft.tags.add('x')
  return execute(copy, { key: '0/s', writer, view, draw })
}

describe('a removal', () => {
  test('holds for a second execution of the key, in whichever order the three arrive', () => {
    const first = new DocumentCopy(record)
    const added = addTag(first, 'a', 1)
    const removed = execute(first, {
      key: '0/t',
      writer: 'a',
      view: 1,
      draw: (draft) => draft.tags.remove('x')
    })
    const again = addTag(new DocumentCopy(record), 'b', 2)
    expect(compareEntries(again, added, {})).toBeGreaterThan(0)
    const entries = [added, removed, again]
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0]
    ]) {
      const copy = new DocumentCopy(record)
      for (const at of order) {
        const entry = entries[at]
        expect(entry && copy.add(entry)).toBeDefined()
      }
      expect(copy.get('0/s')).toBe(again)
      expect(copy.live.value(schema).tags).toEqual([])
    }
  })

  test('that itself is superseded by an execution that found nothing removes nothing', () => {
    const owner = new DocumentCopy(record)
    const added = addTag(owner, 'a', 1)
    const remove = (copy: DocumentCopy, writer: string, view: number): Entry =>
      execute(copy, { key: '0/t', writer, view, draw: (draft) => draft.tags.remove('x') })
    const removed = remove(owner, 'a', 1)
    const blind = remove(new DocumentCopy(record), 'b', 2)
    expect(removed.voids).toHaveLength(1)
    expect(blind.voids).toHaveLength(0)
    for (const order of [
      [added, removed, blind],
      [blind, removed, added]
    ]) {
      const copy = new DocumentCopy(record)
      order.forEach((entry) => copy.add(entry))
      expect(copy.live.value(schema).tags).toEqual(['x'])
    }
  })

  test('leaves a second execution alone that did a different number of operations', () => {
    const owner = new DocumentCopy(record)
    addTag(owner, 'a', 1)
    execute(owner, { key: '0/t', writer: 'a', view: 1, draw: (draft) => draft.tags.remove('x') })
    const other = new DocumentCopy(record)
    execute(other, {
      key: '0/s',
      writer: 'b',
      view: 2,
      draw: (draft) => {
        draft.tags.add('y')
        draft.tags.add('z')
      }
    })
    owner.merge(other)
    expect(owner.live.value(schema).tags.toSorted()).toEqual(['y', 'z'])
  })
})

describe('a superseded execution', () => {
  test('has no effect, and its writer is not used again', () => {
    const a = new DocumentCopy(record)
    const increment = (copy: DocumentCopy, writer: string, view: number): Entry =>
      execute(copy, { key: '0/s', writer, view, draw: (draft) => draft.total.increment(5) })
    increment(a, 'a', 1)
    const b = new DocumentCopy(record)
    const standing = increment(b, 'b', 2)
    expect(a.merge(b)).toBe(true)
    expect(a.get('0/s')?.digest).toEqual(standing.digest)
    expect(a.live.value(schema).total).toBe(5)
    const names: string[] = []
    a.writer(() => {
      names.push('c')
      return 'c'
    })
    expect(names).toEqual(['c'])
  })

  test('stands again when its owner stamps it later than the other one', () => {
    const a = new DocumentCopy(record)
    const mine = addTag(a, 'a', 1)
    const b = new DocumentCopy(record)
    addTag(b, 'b', 2)
    const stamped = a.restamp(mine, { view: 3, boot: 1 })
    expect(a.restamp(stamped, { view: 2, boot: 9 })).toBe(stamped)
    b.merge(a)
    a.merge(b)
    expect(b.get('0/s')?.writer).toBe('a')
    expect(fingerprint(a)).toEqual(fingerprint(b))
  })
})

describe('floors', () => {
  function folded(): { copy: DocumentCopy; before: DocumentCopy; steps: FoldStep[] } {
    const copy = new DocumentCopy(record)
    for (let sequence = 0; sequence < 4; sequence++) {
      const draw = (draft: Draft): void => draft.total.increment(1)
      execute(copy, { key: `${sequence}/s`, writer: 'a', view: 1, draw })
    }
    const before = clone(copy)
    const steps = [copy.planFold('s', 3)]
    expect(copy.fold(steps)).toBe(true)
    return { copy, before, steps }
  }

  test('expire the keys below them: no entry, and none comes back', () => {
    const { copy, before } = folded()
    const state = fingerprint(copy)
    expect([copy.floorOf('s'), copy.entryCount, copy.get('0/s')]).toEqual([3, 1, undefined])
    for (const entry of before.entries()) {
      expect(copy.add(entry)).toBe(entry.sequence < 3 ? undefined : copy.get(entry.key))
    }
    expect(copy.merge(before)).toBe(false)
    expect(fingerprint(copy)).toEqual(state)
    expect(copy.live.value(schema).total).toBe(4)
  })

  test('replace other verdicts on the keys below them', () => {
    const { copy } = folded()
    const stale = new DocumentCopy(record)
    for (const key of ['1/s', '7/s']) {
      execute(stale, { key, writer: 'b', view: 9, draw: (draft) => draft.total.increment(100) })
    }
    const other = clone(stale)
    expect(stale.merge(copy)).toBe(true)
    copy.merge(other)
    expect(fingerprint(stale)).toEqual(fingerprint(copy))
    expect(copy.live.value(schema).total).toBe(104)
  })

  test('are raised only where a copy holds exactly what is folded', () => {
    const { before, steps } = folded()
    const less = new DocumentCopy(record)
    const other = clone(before)
    for (const entry of before.entries()) {
      if (entry.sequence !== 1) less.add(entry)
      else other.restamp(entry, { view: 2, boot: 1 })
    }
    for (const copy of [less, other, new DocumentCopy(record)]) {
      const state = fingerprint(copy)
      expect(copy.fold(steps)).toBe(false)
      expect(fingerprint(copy)).toEqual(state)
    }
    expect([before.fold(steps), before.fold(steps)]).toEqual([true, true])
    expect(before.floorOf('s')).toBe(3)
  })
})

describe('bad input', () => {
  const errors = [
    'InvalidSignatureError',
    'MalformedMessageError',
    'CorruptDataError',
    'InvalidParametersError'
  ]

  interface Damage {
    readonly at: number
    readonly kind: 'flip' | 'cut' | 'insert'
    readonly byte: number
  }
  const damage = fc.array(
    fc.record({
      at: fc.nat(),
      kind: fc.constantFrom('flip' as const, 'flip' as const, 'flip' as const, 'cut', 'insert'),
      byte: fc.integer({ min: 1, max: 255 })
    }),
    { minLength: 1, maxLength: 3 }
  )

  function damaged(bytes: Uint8Array, all: readonly Damage[]): Uint8Array {
    let out = [...bytes]
    for (const { at, kind, byte } of all) {
      const place = at % (out.length || 1)
      if (kind === 'flip') out[place] = (out[place] ?? 0) ^ byte
      else if (kind === 'cut') out = out.slice(0, place)
      else out.splice(place, 0, byte)
    }
    return new Uint8Array(out)
  }

  function nameOf(action: () => void): string | undefined {
    try {
      action()
      return undefined
    } catch (error) {
      return error instanceof Error ? error.name : 'something else'
    }
  }

  test('damaged states are refused by a named error, and change nothing', () => {
    let refused = 0
    fc.assert(
      fc.property(anySteps, damage, (steps, all) => {
        const [from, to] = played(steps).copies
        if (from === undefined || to === undefined) return
        const before = fingerprint(to)
        const bytes = damaged(encodeState(from.state()), all)
        const name = nameOf(() => {
          const copy = DocumentCopy.from(decodeState(bytes))
          copy.verify()
          to.merge(copy)
        })
        if (name !== undefined) {
          refused++
          expect(errors).toContain(name)
          expect(fingerprint(to)).toEqual(before)
        }
      }),
      { numRuns: 600 }
    )
    expect(refused).toBeGreaterThan(100)
  })

  test('damaged entries are refused by a named error, and change nothing', () => {
    let refused = 0
    fc.assert(
      fc.property(stepsOf('send', 'restamp'), fc.nat(), damage, (steps, at, all) => {
        const { copies } = played(steps)
        const entries = copies.flatMap((copy) => [...copy.entries()])
        const entry = entries[at % (entries.length || 1)]
        const to = copies[at % 3]
        if (entry === undefined || to === undefined) return
        const before = fingerprint(to)
        const name = nameOf(() => to.add(decodeEntry(damaged(entry.bytes, all))))
        if (name !== undefined) {
          refused++
          expect(errors).toContain(name)
          expect(fingerprint(to)).toEqual(before)
        }
        // What was not refused is usable.
        to.verify()
      }),
      { numRuns: 600 }
    )
    expect(refused).toBeGreaterThan(100)
  })

  test('an entry below the floor of its own state is refused', () => {
    const copy = new DocumentCopy(record)
    addTag(copy, 'a', 1)
    const bytes = encodeState({ ...copy.state(), floors: [['s', 1]] })
    expect(nameOf(() => decodeState(bytes))).toBe('MalformedMessageError')
  })

  test('an update that is too large leaves nothing behind', () => {
    const copy = new DocumentCopy(record)
    addTag(copy, 'a', 1)
    const before = fingerprint(copy)
    const { draft, operations } = draftOf(copy)
    draft.label.set('x'.repeat(500))
    const name = nameOf(() =>
      copy.execute({
        operations,
        writer: copy.writer(() => 'a'),
        time: nextStamp(copy.time, 2),
        epoch: { view: 1, boot: 1 },
        key: { session: 's', sequence: 1 },
        result: new Uint8Array(0),
        deltaBytesMax: 100
      })
    )
    expect(name).toBe('MessageTooLargeError')
    expect(fingerprint(copy)).toEqual(before)
  })

  test('operations that do not fit leave nothing behind', () => {
    const copy = new DocumentCopy(record)
    addTag(copy, 'a', 1)
    const before = fingerprint(copy)
    const wrong = [{ field: 'total', name: 'counter.explode', args: [] }]
    const how = { session: 's', sequence: 1, writer: 'a', view: 1 }
    expect(nameOf(() => run(copy, wrong, how))).toBe('InvalidParametersError')
    expect(fingerprint(copy)).toEqual(before)
  })
})
