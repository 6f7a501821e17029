import type { Signal } from '@murmuration/interface'
import fc from 'fast-check'
import { toString } from 'uint8arrays/to-string'
import { fromString } from 'uint8arrays/from-string'
import { createRandom } from '@murmuration/testkit'
import { describe, expect, it } from 'vitest'
import { createIds } from '../src/core/uuid.ts'
import { decodeSignal, encodeSignal, fromJSON, toJSON } from '../src/index.ts'
import { checkSignal, completeSignal } from '../src/core/event.ts'
import { Batch } from '../src/core/wire.ts'

const signal: Signal = {
  specversion: '1.0',
  id: '018bcfe5-6800-7000-8000-000000000001',
  source: '/p2p/12D3KooW',
  type: 'order.created',
  subject: '7',
  time: '2023-11-14T22:13:20.000Z',
  datacontenttype: 'application/json',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  causationid: 'cause',
  comexampletenant: 'blue',
  priority: 3,
  data: { amount: 12.5, lines: ['a', 'b'], note: null }
}

const golden =
  'ac626964782430313862636665352d363830302d373030302d383030302d3030303030303030303030316464617461' +
  'a3646e6f7465f6656c696e6573826161616266616d6f756e74f94a406474696d657818323032332d31312d31345432' +
  '323a31333a32302e3030305a64747970656d6f726465722e6372656174656466736f757263656d2f7032702f313244' +
  '334b6f6f57677375626a6563746137687072696f72697479036b636175736174696f6e69646563617573656b737065' +
  '6376657273696f6e63312e306b7472616365706172656e74783730302d346266393266333537376233346461366133' +
  '63653932396430653065343733362d303066303637616130626139303262372d30316f64617461636f6e74656e7474' +
  '797065706170706c69636174696f6e2f6a736f6e70636f6d6578616d706c6574656e616e7464626c7565'

describe('the binary format', () => {
  it('has these bytes', () => {
    expect(toString(encodeSignal(signal), 'base16')).toBe(golden)
    expect(decodeSignal(fromString(golden, 'base16'))).toEqual(signal)
  })

  it('does not depend on the order of attributes', () => {
    const reversed = Object.fromEntries(Object.entries(signal).toReversed())
    expect(encodeSignal(checkSignal(reversed))).toEqual(encodeSignal(signal))
  })

  it('refuses bytes that are no signal', () => {
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0xa0), Uint8Array.of(0x9f)]) {
      expect(() => decodeSignal(bytes)).toThrow(
        expect.objectContaining({ name: 'MalformedMessageError' })
      )
    }
  })

  it('refuses data that is too deep, too large, or not carried', () => {
    let deep: unknown = 1
    for (let level = 0; level < 40; level += 1) {
      deep = [deep]
    }
    expect(() => encodeSignal({ ...signal, data: deep })).toThrow(/levels/)
    expect(() => encodeSignal({ ...signal, data: () => 1 })).toThrow(/data/)
    expect(() => encodeSignal({ ...signal, data: new Uint8Array(200_000) })).toThrow(
      expect.objectContaining({ name: 'MessageTooLargeError' })
    )
  })

  it('never crashes on mutated bytes', () => {
    const bytes = encodeSignal(signal)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const mutated = Uint8Array.from(bytes)
          for (const [at, value] of changes) {
            mutated[at] = value
          }
          try {
            decodeSignal(mutated)
          } catch (error) {
            expect(error).toMatchObject({ name: 'MalformedMessageError' })
          }
        }
      ),
      { numRuns: 2000 }
    )
  })

  it('carries batches with unknown fields of later versions', () => {
    const batch = {
      cluster: 'c',
      channel: 't',
      boot: 1,
      first: 1,
      since: 1,
      attempt: 0,
      signals: []
    }
    expect(Batch.decode(Batch.encode(batch))).toEqual(batch)
  })
})

describe('the JSON format', () => {
  it('goes back and forth', () => {
    expect(fromJSON(JSON.stringify(toJSON(signal)))).toEqual(signal)
    expect(fromJSON(toJSON(signal))).toEqual(signal)
  })

  it('writes bytes as data_base64', () => {
    const bytes = { ...signal, data: Uint8Array.of(1, 2, 255) }
    expect(toJSON(bytes)).toMatchObject({ data_base64: 'AQL/' })
    expect(toJSON(bytes)).not.toHaveProperty('data')
    expect(fromJSON(toJSON(bytes))).toEqual(bytes)
  })

  it('keeps unknown extensions and reads null attributes as absent', () => {
    const read = fromJSON({ ...toJSON(signal), custom: 'kept', subject: null })
    expect(read['custom']).toBe('kept')
    expect(read).not.toHaveProperty('subject')
  })

  it.each([
    ['not json', '{'],
    ['an array', []],
    ['no id', { ...signal, id: undefined }],
    ['another version', { ...signal, specversion: '0.3' }],
    ['both kinds of data', { ...signal, data: 1, data_base64: 'AQ==' }],
    ['broken base64', { ...signal, data: undefined, data_base64: '!' }],
    ['a bad time', { ...signal, time: 'yesterday' }],
    [
      'a forbidden name',
      JSON.parse('{"specversion":"1.0","id":"1","source":"/","type":"a","__proto__":1}')
    ]
  ])('refuses %s', (_, json) => {
    expect(() => fromJSON(json)).toThrow(expect.objectContaining({ name: 'MalformedMessageError' }))
  })

  it('refuses data that JSON cannot carry', () => {
    for (const data of [1n, { bytes: new Uint8Array(1) }, Number.NaN]) {
      expect(() => toJSON({ ...signal, data })).toThrow(
        expect.objectContaining({ name: 'InvalidParametersError' })
      )
    }
  })
})

describe('attributes', () => {
  const fill = { id: () => 'id-1', time: () => '2026-01-01T00:00:00Z', source: '/p2p/me' }

  it('are filled in where the publisher gave none', () => {
    expect(completeSignal({ type: 'a', data: 1 }, fill)).toEqual({
      specversion: '1.0',
      id: 'id-1',
      source: '/p2p/me',
      time: '2026-01-01T00:00:00Z',
      type: 'a',
      data: 1
    })
    expect(completeSignal({ type: 'a', id: 'mine', subject: 's' }, fill)).toMatchObject({
      id: 'mine',
      subject: 's'
    })
  })

  it.each([
    ['an empty type', { type: '' }],
    ['an empty segment', { type: 'a..b' }],
    ['an empty id', { type: 'a', id: '' }],
    ['an id that is no text', { type: 'a', id: 7 as unknown as string }],
    ['a source with a space', { type: 'a', source: 'has space' }],
    ['an empty subject', { type: 'a', subject: '' }],
    ['a day that does not exist', { type: 'a', time: '2026-02-30T00:00:00Z' }],
    ['an hour that does not exist', { type: 'a', time: '2026-01-01T25:00:00Z' }],
    ['a date without time', { type: 'a', time: '2026-01-01' }],
    ['a relative dataschema', { type: 'a', dataschema: 'relative' }],
    ['a content type that is none', { type: 'a', datacontenttype: 'json' }],
    ['upper case in a name', { type: 'a', Upper: 1 }],
    ['an underscore in a name', { type: 'a', under_score: 1 }],
    ['an extension with structure', { type: 'a', nested: {} }],
    ['an extension with a fraction', { type: 'a', fraction: 1.5 }],
    ['another version', { type: 'a', specversion: '2.0' }],
    ['data_base64', { type: 'a', data_base64: 'AQ==' }],
    ['a long attribute', { type: 'a', subject: 'x'.repeat(2049) }],
    ['a long extension', { type: 'a', extension: 'x'.repeat(2049) }],
    [
      'too many extensions',
      { type: 'a', ...Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`e${i}`, 1])) }
    ]
  ])('refuses %s', (_, input) => {
    expect(() => completeSignal(input, fill)).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })

  it.each([
    '2024-02-29T23:59:60Z',
    '2026-01-01t00:00:00.123456789+14:00',
    '2026-12-31T00:00:00-00:00'
  ])('takes %s as a time', (time) => {
    expect(completeSignal({ type: 'a', time }, fill).time).toBe(time)
  })

  it('are frozen', () => {
    expect(Object.isFrozen(completeSignal({ type: 'a' }, fill))).toBe(true)
  })
})

describe('ids', () => {
  it('are UUIDs of version 7 that rise, whatever the clock does', () => {
    let now = 1_700_000_000_000
    const clock = { now: () => now, monotonic: () => 0, schedule: () => () => undefined }
    const next = createIds(clock, createRandom(7))
    const ids: string[] = []
    for (let count = 0; count < 20_000; count += 1) {
      now += count % 5000 === 0 ? -3 : count % 3000 === 0 ? 1 : 0
      ids.push(next())
    }
    expect(ids[0]).toMatch(/^018bcfe5-67fd-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(ids).toEqual(ids.toSorted())
    expect(new Set(ids).size).toBe(ids.length)
  })
})
