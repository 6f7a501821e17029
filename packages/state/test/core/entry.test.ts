import type { Epoch } from '@murmuration/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  combine,
  digestBytes,
  digestText,
  digestToText,
  emptyDigest,
  equalDigests
} from '../../src/core/digest.ts'
import {
  compareEntries,
  createEntry,
  decodeEntry,
  entryKey,
  parseEntryKey,
  sameExecution
} from '../../src/core/entry.ts'
import type { Entry, EntryParts } from '../../src/core/entry.ts'
import { compareEpochs } from '../../src/core/epoch.ts'
import { collectNeeded, copiesNeeded, memberKey } from '../../src/core/homes.ts'
import { decodeBase, decodeState, encodeBase, encodeState } from '../../src/core/messages.ts'

const count = fc.nat()
const small = fc.nat({ max: 3 })
const bytes = fc.uint8Array({ maxLength: 20 })
const session = fc.string({ maxLength: 60 })
const epoch: fc.Arbitrary<Epoch> = fc.record({ view: small, boot: small })
const anyParts: fc.Arbitrary<EntryParts> = fc.record({
  session,
  sequence: count,
  stamp: epoch,
  writer: fc.constantFrom('a', 'b', 'c'),
  execution: small,
  first: count,
  count: small,
  delta: bytes,
  result: bytes,
  time: fc.record({ time: count, tick: count }),
  voids: fc.array(
    fc.record({
      key: fc.tuple(session, count).map(([name, sequence]) => entryKey(name, sequence)),
      mark: count,
      count: small,
      offsets: fc.array(small, { maxLength: 3 })
    }),
    { maxLength: 3 }
  ),
  since: fc.array(small, { maxLength: 3 }),
  isOfSide: fc.boolean()
})

/** A delta and its dots go together, and a void names dots of its update. */
const parts = anyParts.map((any) => ({
  ...any,
  first: any.first + 1,
  delta: any.count === 0 ? new Uint8Array(0) : any.delta,
  voids: any.voids.map((one) => ({
    ...one,
    offsets: one.offsets.filter((offset) => offset < one.count)
  }))
}))

/** The encoder may give a Node buffer, which is equal to the same bytes only where they are. */
function plain(entry: Entry): Entry {
  return { ...entry, bytes: new Uint8Array(entry.bytes) }
}

function sign(value: number): number {
  return Math.sign(value) + 0
}

function nameOf(action: () => unknown): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.name : 'something else'
  }
}

describe('entries', () => {
  test('are the same after they travelled', () => {
    fc.assert(
      fc.property(parts, (one) => {
        const entry = createEntry(one)
        expect(plain(decodeEntry(entry.bytes))).toEqual(plain(entry))
      })
    )
  })

  test('have a key from which session and sequence come back, slashes included', () => {
    fc.assert(
      fc.property(session, count, (name, sequence) => {
        expect(parseEntryKey(entryKey(name, sequence))).toEqual({ session: name, sequence })
      })
    )
  })

  test('of one key stand in a total order, in which the stamp comes first', () => {
    fc.assert(
      fc.property(parts, parts, parts, (one, two, three) => {
        const [a, b, c] = [one, two, three].map((each) =>
          createEntry({ ...each, session: 's', sequence: 0 })
        ) as [Entry, Entry, Entry] // three in, three out
        const ab = sign(compareEntries(a, b, {}))
        expect(sign(compareEntries(b, a, {}))).toBe(sign(-ab))
        const byStamp = sign(compareEpochs(a.stamp, b.stamp))
        if (byStamp !== 0) expect(ab).toBe(byStamp)
        expect(ab === 0).toBe(byStamp === 0 && sameExecution(a, b))
        if (ab <= 0 && compareEntries(b, c, {}) <= 0) {
          expect(compareEntries(a, c, {})).toBeLessThanOrEqual(0)
        }
      })
    )
  })

  test('have equal digests exactly when key, stamp and execution are equal', () => {
    fc.assert(
      fc.property(parts, parts, (one, two) => {
        const a = createEntry({ ...one, session: 's', sequence: 0 })
        const b = createEntry({ ...two, session: 's', sequence: 0 })
        expect(equalDigests(a.digest, b.digest)).toBe(compareEntries(a, b, {}) === 0)
        expect(a.mark === b.mark).toBe(sameExecution(a, b))
        expect(equalDigests(a.digest, createEntry({ ...one, sequence: 1 }).digest)).toBe(false)
      })
    )
  })

  test('that are cut off are always refused, by name', () => {
    fc.assert(
      fc.property(parts, fc.nat(), (one, at) => {
        const whole = createEntry(one).bytes
        const cut = whole.subarray(0, at % whole.length)
        expect(nameOf(() => decodeEntry(cut))).toBe('MalformedMessageError')
      })
    )
  })

  test('of random bytes are refused by name', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
        expect(nameOf(() => decodeEntry(random))).toBe('MalformedMessageError')
      })
    )
  })
})

describe('states', () => {
  const record = { id: 'a/b/c', placement: 'hash', replicas: 3 } as const

  test('are the same after they travelled or were stored', () => {
    const floors = fc.array(fc.tuple(session, fc.integer({ min: 1 })), { maxLength: 3 })
    fc.assert(
      fc.property(fc.array(parts), floors, bytes, (all, below, base) => {
        const floorOf = new Map(below)
        const entries = all
          .map((one) => createEntry(one))
          .filter(({ session: name, sequence }) => sequence >= (floorOf.get(name) ?? 0))
        const state = {
          record,
          base,
          folded: { view: 3, boot: 1 },
          lineage: { count: 2, view: 3, boot: 0 },
          closed: [{ life: 'abcdefgh', boot: 1, number: 0, last: 9 }],
          forgotten: [3, 0, 2],
          floors: below,
          entries,
          time: { time: 7, tick: 1 }
        }
        const travelled = decodeState(encodeState(state))
        expect({ ...travelled, entries: travelled.entries.map(plain) }).toEqual({
          ...state,
          entries: entries.map(plain)
        })
        expect(decodeBase(encodeBase(state))).toEqual({ ...state, entries: [] })
      })
    )
  })

  test('of random bytes are refused by name', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
        expect(nameOf(() => decodeState(random))).toBe('MalformedMessageError')
        expect(nameOf(() => decodeBase(random))).toBe('MalformedMessageError')
      })
    )
  })
})

test('epochs compare by view, then by boot', () => {
  fc.assert(
    fc.property(epoch, epoch, (a, b) => {
      const expected = a.view === b.view ? a.boot - b.boot : a.view - b.view
      expect(sign(compareEpochs(a, b))).toBe(sign(expected))
    })
  )
})

describe('home sets', () => {
  test('of every size: whoever collects meets every acknowledged copy', () => {
    for (let size = 1; size <= 7; size++) {
      const [copies, collected] = [copiesNeeded(size), collectNeeded(size)]
      expect(copies).toBe(size === 1 ? 1 : 2)
      expect(copies + collected).toBe(size + 1)
    }
  })

  test('a peer that lost its disk is another member', () => {
    const before = memberKey({ peer: 'p', incarnation: '1' })
    expect(memberKey({ peer: 'p', incarnation: '2' })).not.toBe(before)
  })
})

describe('digests', () => {
  const digest = fc.string().map((text) => digestText(text))

  test('combine in any order, and twice is not at all', () => {
    fc.assert(
      fc.property(digest, digest, digest, (a, b, c) => {
        expect(combine(a, b)).toEqual(combine(b, a))
        expect(combine(combine(a, b), c)).toEqual(combine(a, combine(b, c)))
        expect(combine(combine(a, b), b)).toEqual(a)
        expect(combine(a, emptyDigest)).toEqual(a)
      })
    )
  })

  test('are two words of 32 bits, and as text tell what they tell as numbers', () => {
    fc.assert(
      fc.property(digest, digest, (a, b) => {
        for (const word of [a.high, a.low, combine(a, b).high, combine(a, b).low]) {
          expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true)
        }
        expect(digestToText(a) === digestToText(b)).toBe(equalDigests(a, b))
      })
    )
  })

  test('notice every change of one byte, and differ for 100,000 keys', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (data, at, byte) => {
          const place = at % data.length
          const changed = data.with(place, (data[place] ?? 0) ^ byte)
          expect(equalDigests(digestBytes(changed), digestBytes(data))).toBe(false)
          const longer = new Uint8Array([...data, 0])
          expect(equalDigests(digestBytes(longer), digestBytes(data))).toBe(false)
        }
      )
    )
    const seen = new Set<string>()
    for (let at = 0; at < 100_000; at++) {
      seen.add(digestToText(digestText(`${at % 100}/session-${at / 100}|3.1|w:${at}`)))
    }
    expect(seen.size).toBe(100_000)
  })

  test('are the same on every machine', () => {
    expect(digestToText(digestText('murmuration'))).toMatchInlineSnapshot(`"z7efol.s1pcg2"`)
    expect(digestToText(digestBytes(new Uint8Array([0, 255, 7])))).toMatchInlineSnapshot(
      `"1awfq51.18teh7z"`
    )
  })
})
