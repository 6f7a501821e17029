import { decode as decodeCbor, encode as encodeCbor } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode, encode } from '../src/index.ts'

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) {
    value = [value]
  }
  return value
}

/** Values that the codec carries, and that come back equal. */
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(
      fc.string().filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key)),
      tie('value'),
      { maxKeys: 6, noNullPrototype: true }
    )
  )
})).value

describe('encode', () => {
  it.each<[unknown, string]>([
    [null, 'f6'],
    [true, 'f5'],
    [0, '00'],
    [-0, '00'],
    [23, '17'],
    [24, '1818'],
    [1000, '1903e8'],
    [-1, '20'],
    [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
    [Number.MIN_SAFE_INTEGER, '3b001ffffffffffffe'],
    [1.5, 'f93e00'],
    [0.1, 'fb3fb999999999999a'],
    [2 ** 53, 'fa5a000000'],
    [5n, 'c24105'],
    [0n, 'c240'],
    [-1n, 'c340'],
    [-257n, 'c3420100'],
    ['ü', '62c3bc'],
    [new Uint8Array([1, 2]), '420102'],
    [[1, [2]], '82018102'],
    [{ b: 1, aa: 2, a: 3 }, 'a361610361620162616102'],
    [{ a: undefined, b: null }, 'a16162f6']
  ])('writes %o as the bytes %s', (value, bytes) => {
    expect(hex(encode(value))).toBe(bytes)
  })

  it('gives equal bytes whatever the order of fields', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer(), { noNullPrototype: true }), (value) => {
        for (const key of ['__proto__', 'constructor', 'prototype']) {
          delete value[key]
        }
        const reversed = Object.fromEntries(Object.entries(value).toReversed())
        expect(encode(reversed)).toEqual(encode(value))
      })
    )
  })

  it('gives bytes of its own each time', () => {
    const first = encode(null)
    const second = encode({ a: 1 })
    first[0] = 0
    expect(hex(encode(null))).toBe('f6')
    expect(hex(second)).toBe('a1616101')
  })

  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'undefined'],
    ['undefined in a list', { a: [1, undefined] }, 'a[1]'],
    ['a hole in a list', { a: Array.from({ length: 2 }).fill(1, 0, 1) }, 'a[1]'],
    ['NaN', { a: { b: Number.NaN } }, 'a.b'],
    ['Infinity', [Number.NEGATIVE_INFINITY], '[0]'],
    ['a function', { a: () => 1 }, 'a: a value of type function'],
    ['a symbol', { a: Symbol('s') }, 'a: a value of type symbol'],
    ['a date', { at: new Date(0) }, 'at: only plain objects'],
    ['a map', new Map(), 'only plain objects'],
    ['another typed array', new Float64Array(1), 'only plain objects'],
    ['half a character', { a: '\ud800' }, 'a: a text must be well-formed'],
    ['half a character in a field name', { '\udc00': 1 }, 'well-formed'],
    ['a huge bigint', { a: 2n ** 32_767n }, 'a: a bigint must fit'],
    ['a disguised map', { [Symbol.toStringTag]: 'Map' }, 'symbols'],
    ['constructor', { a: { constructor: 1 } }, 'a.constructor: this field name is forbidden'],
    ['prototype', { prototype: 1 }, 'prototype: this field name is forbidden'],
    ['__proto__', JSON.parse('{"__proto__":{"x":1}}'), '__proto__: this field name is forbidden'],
    ['33 levels', nested(33), 'more than 32 levels']
  ])('refuses %s and says where', (_name, value, message) => {
    expect(() => encode(value)).toThrow(
      expect.objectContaining({
        name: 'InvalidParametersError',
        message: expect.stringContaining(message)
      })
    )
  })

  it('refuses a cycle', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    expect(() => encode(cycle)).toThrow('or a cycle')
  })

  it('refuses more bytes or values than the limits', () => {
    expect(() => encode(new Uint8Array(1_048_576))).toThrow(
      expect.objectContaining({ name: 'MessageTooLargeError' })
    )
    expect(() => encode('ü'.repeat(60), { bytesMax: 100 })).toThrow(
      expect.objectContaining({ name: 'MessageTooLargeError' })
    )
    expect(() => encode([1, 2, 3], { itemsMax: 3 })).toThrow('more than 3 values')
  })
})

describe('another library of CBOR', () => {
  it('writes the same bytes, and reads the same values', () => {
    const plain = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom<unknown>(null, true, false),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
        fc.float({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
        // It drops a mark of byte order at the beginning.
        fc.string({ unit: 'grapheme', maxLength: 80 }).filter((text) => !text.startsWith('\uFEFF')),
        fc.uint8Array({ maxLength: 300 }),
        fc.array(tie('value'), { maxLength: 30 }),
        fc.dictionary(
          fc
            .string({ unit: 'grapheme', maxLength: 60 })
            .filter((key) => !/^(__proto__|constructor|prototype|\uFEFF.*)$/.test(key)),
          tie('value'),
          { maxKeys: 30, noNullPrototype: true }
        )
      )
    })).value
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = encode(value)
        expect(hex(bytes)).toBe(hex(encodeCbor(value)))
        expect(decodeCbor(bytes)).toEqual(value)
      }),
      { numRuns: 2000 }
    )
  })
})

describe('decode', () => {
  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encode(value)
        expect(decode(bytes)).toEqual(value)
        expect(encode(decode(bytes))).toEqual(bytes)
      }),
      { numRuns: 2000 }
    )
  })

  it('has one form for every float', () => {
    const view = new DataView(new ArrayBuffer(9))
    // All subnormals, and every 29th half above them (29 meets every exponent and both signs).
    for (let bits = 0; bits < 0x1_0000; bits += bits < 1024 ? 1 : 29) {
      const exponent = (bits >> 10) & 31
      const fraction = bits & 1023
      const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25)
      const number = bits >= 0x8000 ? -size : size
      view.setUint8(0, 0xfa)
      view.setFloat32(1, number)
      const frames = [
        new Uint8Array([0xf9, bits >> 8, bits & 255]),
        new Uint8Array(view.buffer.slice(0, 5))
      ]
      view.setUint8(0, 0xfb)
      view.setFloat64(1, number)
      frames.push(new Uint8Array(view.buffer.slice(0, 9)))
      const encoded = exponent === 31 ? 'none: not finite' : hex(encode(number))
      for (const frame of frames) {
        if (hex(frame) === encoded) {
          expect(decode(frame)).toBe(number)
        } else if (frame.length > 3 || exponent !== 31) {
          expect(() => decode(frame)).toThrow('shortest')
        }
      }
    }
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(decode(encode(number + 0))).toBe(number + 0)
      }),
      { numRuns: 2000 }
    )
  })

  it('keeps a leading byte order mark', () => {
    for (const value of ['\uFEFF', '\uFEFF\uFEFFa', ['\uFEFFü', { '\uFEFFa': 1, a: 2 }]]) {
      expect(decode(encode(value))).toEqual(value)
    }
    const long = `\uFEFF${'x'.repeat(70_000)}`
    expect(decode(encode([long, 'x'.repeat(300)]))).toEqual([long, 'x'.repeat(300)])
  })

  it('reads from the middle of a larger buffer', () => {
    const bytes = encode({ a: [1.5, 'b'] })
    const larger = Buffer.alloc(bytes.length + 20)
    larger.set(bytes, 7)
    const part = larger.subarray(7, 7 + bytes.length)
    expect(decode(part)).toEqual({ a: [1.5, 'b'] })
  })

  it('gives bytes that do not share memory with the frame, unless views are asked for', () => {
    const frame = encode({ a: new Uint8Array([1, 2, 3]) })
    const value = decode(frame)
    const inBuffer = decode(Buffer.from(frame.buffer, frame.byteOffset, frame.length))
    const view = decode(frame, { views: true })
    frame.fill(0)
    expect(value).toEqual({ a: new Uint8Array([1, 2, 3]) })
    expect(inBuffer).toEqual(value)
    expect(view).toEqual({ a: new Uint8Array(3) })
  })

  it('reads names that were read before, and others with their hash, as they are written', () => {
    // Many more than are remembered, and each twice.
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 5000; index += 1) {
        const value = { [`name${index}`]: index, [`ü${index}`]: [index] }
        expect(decode(encode(value))).toEqual(value)
      }
    }
  })

  it('encodes what a getter of a value encodes meanwhile', () => {
    const value = {
      a: 'x'.repeat(100),
      get b() {
        return encode({ c: 'y'.repeat(5000) })
      },
      d: 1
    }
    expect(decode(encode(value))).toEqual({ a: value.a, b: encode({ c: 'y'.repeat(5000) }), d: 1 })
  })

  it.each([
    ['nothing', '', 'unexpected end'],
    ['trailing bytes', '0000', '1 bytes after the value'],
    ['a cut-off text', '6361', 'unexpected end'],
    ['a cut-off list', '8201', 'end'],
    ['duplicate field names', 'a2616101616102', 'duplicate field name'],
    ['unsorted field names', 'a2616201616102', 'canonical order'],
    ['field names out of order by length', 'a262616101616202', 'canonical order'],
    ['a field name that is no text', 'a10101', 'no text'],
    ['__proto__', 'a1695f5f70726f746f5f5fa0', 'forbidden field name __proto__'],
    ['constructor', 'a16b636f6e7374727563746f7201', 'forbidden field name constructor'],
    ['prototype in a list', '81a16970726f746f7479706501', 'forbidden field name prototype'],
    ['a list of indefinite length', '9f01ff', 'indefinite'],
    ['a map of indefinite length', 'bfff', 'indefinite'],
    ['a text of indefinite length', '7f6161ff', 'indefinite'],
    ['a break', 'ff', 'not supported'],
    ['undefined', 'f7', 'not supported'],
    ['a simple value', 'f0', 'not supported'],
    ['a long simple value', 'f8ff', 'not supported'],
    ['a reserved length', '1c', 'indefinite length'],
    ['NaN', 'f97e00', 'not finite'],
    ['Infinity as half', 'f97c00', 'not finite'],
    ['Infinity as single', 'fa7f800000', 'not finite'],
    ['-Infinity as double', 'fbfff0000000000000', 'not finite'],
    ['1.5 as double', 'fb3ff8000000000000', 'shortest'],
    ['1 as float', 'f93c00', 'shortest'],
    ['-0 as float', 'f98000', 'shortest'],
    ['23 in two bytes', '1817', 'shortest'],
    ['a long length', '590001ff', 'shortest'],
    ['an unsafe integer', '1b0020000000000000', 'safe range'],
    ['an unsafe negative integer', '3b001fffffffffffff', 'safe range'],
    ['a huge length', '5b7fffffffffffffff', 'safe range'],
    ['a date tag', 'c11a00000000', 'tag'],
    ['an unknown tag', 'c100', 'tag'],
    ['a bigint of text', 'c26101', 'bigint without bytes'],
    ['a bigint with leading zeros', 'c2420001', 'leading zeros'],
    ['a huge bigint', `c2591001${'ff'.repeat(4097)}`, 'bigint of more than 4096'],
    ['text that is not UTF-8', '62c328', 'not UTF-8'],
    ['an encoded half character', '63eda080', 'not UTF-8'],
    ['an overlong character', '62c080', 'not UTF-8'],
    ['a list longer than the frame', '9a7fffffff', 'beyond the end'],
    ['a map longer than the frame', 'ba7fffffff', 'beyond the end']
  ])('refuses %s', (_name, bytes, message) => {
    expect(() => decode(fromHex(bytes))).toThrow(
      expect.objectContaining({
        name: 'MalformedMessageError',
        code: 'ERR_MALFORMED_MESSAGE',
        message: expect.stringContaining(message)
      })
    )
  })

  it('never touches a prototype', () => {
    for (const bytes of ['a1695f5f70726f746f5f5fa1617801', 'a16b636f6e7374727563746f72a0']) {
      expect(() => decode(fromHex(bytes))).toThrow('forbidden')
    }
    const innocent = decode(encode({ toString: 1, hasOwnProperty: 2 }))
    expect(innocent).toEqual({ toString: 1, hasOwnProperty: 2 })
    expect(Object.prototype.toString.call({})).toBe('[object Object]')
    expect({}).not.toHaveProperty('x')
  })

  it('refuses deep nesting without recursion', () => {
    for (const [first, fill] of [
      [0x81, 0x81],
      [0xa1, 0xa1]
    ] as const) {
      const frame = new Uint8Array(100_000).fill(fill)
      frame[0] = first
      expect(() => decode(frame)).toThrow(
        expect.objectContaining({ name: 'MalformedMessageError' })
      )
      expect(() => decode(frame, { depthMax: 1_000_000 })).toThrow(
        expect.objectContaining({ name: 'MalformedMessageError' })
      )
    }
    expect(decode(encode(nested(32)))).toEqual(nested(32))
    const tooDeep = encode(nested(40), { depthMax: 40 })
    expect(() => decode(tooDeep)).toThrow('more than 32 levels')
  })

  it('refuses more bytes or values than the limits', () => {
    expect(() => decode(new Uint8Array(1_048_577))).toThrow('over the limit')
    expect(() => decode(encode('abc'), { bytesMax: 3 })).toThrow('over the limit of 3')
    expect(() => decode(encode([1, 2, 3]), { itemsMax: 3 })).toThrow('more than 3 values')
    const crowded = new Uint8Array(500_005).fill(0x80)
    crowded.set([0x9a, 0x00, 0x07, 0xa1, 0x20])
    expect(() => decode(crowded)).toThrow('more than 131072 values')
  })

  it('refuses what is no Uint8Array', () => {
    // @ts-expect-error the wrong type on purpose
    expect(() => decode('f6')).toThrow('must be a Uint8Array')
  })

  it('neither crashes nor stalls on 20,000 damaged frames', () => {
    const seed = 20_261_122
    let state = seed
    const next = (below: number): number => {
      // xorshift32: small, and replayed by the seed alone.
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 0) % below
    }
    const samples = fc.sample(values, { seed, numRuns: 200 }).map((value) => encode(value))
    let slowest = 0
    let refused = 0
    for (let round = 0; round < 20_000; round += 1) {
      const original = samples[next(samples.length)] ?? encode(null)
      let frame = new Uint8Array(original)
      for (let change = next(4); change >= 0; change -= 1) {
        const at = next(frame.length + 1)
        const kind = next(4)
        if (kind === 0 && at < frame.length) {
          frame[at] = next(256)
        } else if (kind === 1 && at < frame.length) {
          frame[at] = (frame[at] ?? 0) ^ (1 << next(8))
        } else if (kind === 2) {
          frame = frame.slice(0, at)
        } else {
          frame = new Uint8Array([...frame.slice(0, at), next(256), ...frame.slice(at)])
        }
      }
      // Time of the processor, since a busy machine may let this process wait at any place.
      const before = process.threadCpuUsage()
      let value: unknown
      let failure: unknown
      try {
        value = decode(frame)
      } catch (error) {
        failure = error
      }
      const { user, system } = process.threadCpuUsage(before)
      slowest = Math.max(slowest, (user + system) / 1000)
      const place = `seed ${seed}, round ${round}`
      if (failure === undefined) {
        // What is accepted is canonical: it encodes to the very same bytes.
        expect(hex(encode(value)), place).toBe(hex(frame))
      } else {
        expect(failure, place).toMatchObject({ name: 'MalformedMessageError' })
        refused += 1
      }
    }
    expect(refused).toBeGreaterThan(5000)
    expect(slowest).toBeLessThan(50)
  })
})
