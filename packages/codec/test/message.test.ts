import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  anything,
  bigInteger,
  boolean,
  bytes,
  decode,
  encode,
  float,
  integer,
  list,
  message,
  nullable,
  object,
  oneOf,
  optional,
  record,
  text
} from '../src/index.ts'
import type { Infer } from '../src/index.ts'

const Join = message({
  peer: text({ max: 8 }),
  addresses: list(text({ max: 16 }), { max: 2 }),
  labels: optional(record(text({ max: 4 }), { max: 2 })),
  seq: integer({ min: 0 }),
  role: optional(oneOf('member', 'edge')),
  last: optional(nullable(object({ at: float(), data: bytes({ max: 2 }) }))),
  sum: optional(bigInteger()),
  on: optional(boolean()),
  extra: optional(anything())
})
type Join = Infer<typeof Join>

const least: Join = { peer: 'a', addresses: [], seq: 0 }
const full: Join = {
  peer: 'a',
  addresses: ['/ip4/1', '/ip4/2'],
  labels: { zone: 'x' },
  seq: 1,
  role: 'edge',
  last: { at: 1.5, data: new Uint8Array([1]) },
  sum: -7n,
  on: false,
  extra: [{ deep: null }]
}

describe('message', () => {
  it('has the type that its fields say', () => {
    expectTypeOf<Join>().toEqualTypeOf<{
      readonly peer: string
      readonly addresses: readonly string[]
      readonly seq: number
      readonly labels?: Readonly<Record<string, string>>
      readonly role?: 'member' | 'edge'
      readonly last?: { readonly at: number; readonly data: Uint8Array } | null
      readonly sum?: bigint
      readonly on?: boolean
      readonly extra?: unknown
    }>()
  })

  it('gives back what was encoded', () => {
    expect(Join.decode(Join.encode(least))).toStrictEqual(least)
    expect(Join.decode(Join.encode(full))).toEqual(full)
    expect(Join.decode(Join.encode({ ...least, last: null }))).toStrictEqual({
      ...least,
      last: null
    })
  })

  it('ignores and drops unknown fields on both ways', () => {
    const newer = encode({ ...least, invented: { later: true } })
    expect(Join.decode(newer)).toStrictEqual(least)
    const wider = { ...least, invented: 1 }
    expect(Join.encode(wider)).toEqual(Join.encode(least))
  })

  it('takes a field of the prototype for missing', () => {
    const Odd = message({ toString: optional(text()), valueOf: optional(text()) })
    expect(Odd.decode(encode({}))).toStrictEqual({})
  })

  it.each<[string, unknown, string]>([
    ['a missing field', { addresses: [], seq: 0 }, 'peer: expected text, got undefined'],
    ['null', { ...least, peer: null }, 'peer: expected text, got null'],
    ['a long text', { ...least, peer: '123456789' }, 'peer: text of 9 characters, at most 8'],
    ['no list', { ...least, addresses: 'a' }, 'addresses: expected a list, got string'],
    ['a long list', { ...least, addresses: ['', '', ''] }, 'addresses: list of 3, at most 2'],
    ['a bad element', { ...least, addresses: ['', 1] }, 'addresses[1]: expected text, got number'],
    ['a bad entry', { ...least, labels: { a: 1 } }, 'labels.a: expected text, got number'],
    ['many entries', { ...least, labels: { a: '', b: '', c: '' } }, 'labels: record of 3 fields'],
    ['no record', { ...least, labels: [1] }, 'labels: expected an object, got a list'],
    ['a small integer', { ...least, seq: -1 }, 'seq: integer out of the range 0 to'],
    ['a fraction', { ...least, seq: 1.5 }, 'seq: expected an integer, got number'],
    ['a bigint for an integer', { ...least, seq: 1n }, 'seq: expected an integer, got bigint'],
    ['a strange choice', { ...least, role: 'x' }, 'role: expected one of member, edge'],
    ['a bad nested field', { ...least, last: { at: 'x', data: '' } }, 'last.at: expected a finite'],
    ['bad bytes', { ...least, last: { at: 1, data: 'x' } }, 'last.data: expected bytes, got'],
    [
      'long bytes',
      { ...least, last: { at: 1, data: new Uint8Array(3) } },
      'last.data: 3 bytes, at most 2 allowed'
    ],
    ['no bigint', { ...least, sum: 1 }, 'sum: expected a bigint, got number'],
    ['no boolean', { ...least, on: 0 }, 'on: expected a boolean, got number'],
    ['no object', [1], 'expected an object, got a list']
  ])('refuses %s and names the field', (_name, value, explanation) => {
    expect(() => Join.decode(encode(value))).toThrow(
      expect.objectContaining({
        name: 'MalformedMessageError',
        message: expect.stringContaining(explanation)
      })
    )
    expect(() => Join.parse(decode(encode(value)))).toThrow(explanation)
    // @ts-expect-error values of the wrong type on purpose
    expect(() => Join.encode(value)).toThrow(
      expect.objectContaining({
        name: 'InvalidParametersError',
        message: expect.stringContaining(explanation)
      })
    )
  })

  it('refuses a hole in a list and a field that the codec cannot carry', () => {
    // oxlint-disable-next-line unicorn/no-new-array -- the hole is the point
    const hole = new Array<string>(1)
    expect(() => Join.encode({ ...least, addresses: hole })).toThrow('addresses[0]')
    expect(() => Join.encode({ ...least, extra: new Date(0) })).toThrow('extra: only plain objects')
  })

  it('refuses field names that reach a prototype', () => {
    expect(() => message({ constructor: text() })).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
    const labels = JSON.parse('{"__proto__":"x"}')
    expect(() => Join.encode({ ...least, labels })).toThrow('labels: a field name is forbidden')
  })

  it('holds its own limits', () => {
    const Small = message({ data: bytes() }, { bytesMax: 16 })
    expect(() => Small.encode({ data: new Uint8Array(16) })).toThrow(
      expect.objectContaining({ name: 'MessageTooLargeError' })
    )
    expect(() => Small.decode(encode({ data: new Uint8Array(16) }))).toThrow('limit of 16')
  })

  it('nests as a shape of another message', () => {
    const Outer = message({ joins: list(Join) })
    expect(Outer.decode(Outer.encode({ joins: [least, full] }))).toEqual({ joins: [least, full] })
    expect(() => Outer.decode(encode({ joins: [{ ...least, peer: 1 }] }))).toThrow('joins[0].peer')
  })

  it('cuts long field names off in errors', () => {
    const value = { ...least, labels: { ['k'.repeat(5000)]: 1 } }
    try {
      Join.decode(encode(value))
      expect.unreachable()
    } catch (error) {
      expect(String(error).length).toBeLessThan(300)
    }
  })
})
