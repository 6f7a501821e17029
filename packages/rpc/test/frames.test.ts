import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameReader } from '../src/core/frame-reader.ts'
import { decodeFrame, encodeFrame, voidFrame } from '../src/core/frames.ts'
import type { Frame } from '../src/core/frames.ts'

const number = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 31 - 1 }), fc.maxSafeNat())
const payload = fc.uint8Array({ maxLength: 300 })
const word = fc.string({ unit: 'grapheme', maxLength: 30 })

const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), version: number, messageBytesMax: number }),
  fc.record({ type: fc.constant('name' as const), index: number, name: word }),
  fc.record({
    type: fc.constant('request' as const),
    id: number,
    remainingMs: number,
    method: number,
    payload
  }),
  fc.record({
    type: fc.constant('stream' as const),
    id: number,
    remainingMs: number,
    method: number,
    items: number,
    bytes: number,
    payload
  }),
  fc.record({ type: fc.constant('reply' as const), id: number, payload }),
  fc.record({
    type: fc.constant('failure' as const),
    id: number,
    name: word,
    code: word,
    message: word,
    peer: word,
    retryable: fc.boolean(),
    overloaded: fc.boolean(),
    outcomeUnknown: fc.boolean()
  }),
  fc.record({ type: fc.constant('cancel' as const), id: number }),
  fc.record({ type: fc.constant('item' as const), id: number, payload }),
  fc.record({ type: fc.constant('end' as const), id: number }),
  fc.record({ type: fc.constant('credit' as const), id: number, items: number, bytes: number }),
  fc.record({ type: fc.constant('refuse' as const), version: number, message: word }),
  fc.record({ type: fc.constant('leave' as const) })
)

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function readAll(chunks: readonly Uint8Array[], frameBytesMax = 100_000): Frame[] {
  const seen: Frame[] = []
  const reader = new FrameReader({ frameBytesMax, onFrame: (frame) => seen.push(frame) })
  for (const chunk of chunks) reader.push(chunk)
  return seen
}

describe('frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(frames, { maxLength: 20 }),
        fc.array(fc.nat({ max: 400 }), { maxLength: 40 }),
        (sent, cuts) => {
          const bytes = concat(sent.map(encodeFrame))
          const chunks: Uint8Array[] = []
          let at = 0
          for (const cut of cuts) {
            chunks.push(bytes.subarray(at, at + cut))
            at = Math.min(bytes.length, at + cut)
          }
          chunks.push(bytes.subarray(at))
          expect(readAll(chunks)).toEqual(sent)
        }
      ),
      { numRuns: 500 }
    )
  })

  it('come out as they went in, byte by byte', () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 4 }), (sent) => {
        const bytes = concat(sent.map(encodeFrame))
        expect(readAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(sent)
      }),
      { numRuns: 100 }
    )
  })

  it('never fail otherwise than by MalformedMessageError, whatever arrives (50,000 mutants)', () => {
    const seed = Date.now() % 1_000_000
    const samples = fc.sample(frames, { numRuns: 500, seed })
    let state = seed
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let run = 0; run < 50_000; run++) {
      const bytes = concat(
        [0, 1, 2].map(() => encodeFrame(samples[random(samples.length)] ?? { type: 'end', id: 1 }))
      )
      for (let change = random(4); change >= 0; change--) {
        bytes[random(bytes.length)] = random(256)
      }
      const cut = random(bytes.length)
      const reader = new FrameReader({ frameBytesMax: 1_000, onFrame: () => {} })
      try {
        reader.push(bytes.subarray(0, cut))
        reader.push(bytes.subarray(cut))
      } catch (error) {
        expect(error, `seed ${seed}, run ${run}`).toMatchObject({ name: 'MalformedMessageError' })
      }
      expect(reader.buffered, `seed ${seed}, run ${run}`).toBeLessThanOrEqual(1_005)
    }
  })

  it('of a type that is not known are ignored', () => {
    const unknown = Uint8Array.of(3, 200, 1, 2)
    const end = encodeFrame({ type: 'end', id: 7 })
    expect(readAll([concat([unknown, end])])).toEqual([{ type: 'end', id: 7 }])
  })

  it('may have more fields than this version knows', () => {
    expect(decodeFrame(Uint8Array.of(7, 5, 99, 99), 0, 4)).toEqual({ type: 'cancel', id: 5 })
  })

  it('that were made void are ignored', () => {
    const request: Frame = {
      type: 'request',
      id: 1,
      remainingMs: 5_000,
      method: 0,
      payload: new Uint8Array(400)
    }
    const bytes = concat([encodeFrame(request), encodeFrame({ type: 'end', id: 7 })])
    voidFrame(bytes, 0)
    expect(readAll([bytes])).toEqual([{ type: 'end', id: 7 }])
  })

  it.each([
    ['empty', Uint8Array.of(0)],
    ['cut off inside a number', Uint8Array.of(2, 7, 0x80)],
    ['with a number above 2^53', Uint8Array.of(10, 7, 255, 255, 255, 255, 255, 255, 255, 255, 1)],
    ['with a text longer than the frame', Uint8Array.of(4, 2, 0, 9, 65)],
    ['with a text that is not UTF-8', Uint8Array.of(4, 2, 0, 1, 255)],
    [
      'with a method name above its limit',
      encodeFrame({ type: 'name', index: 0, name: 'x'.repeat(257) })
    ],
    ['above the limit', Uint8Array.of(0x80, 0x80, 0x80, 1)],
    ['with an endless length', Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80)]
  ])('that are %s are refused', (_, bytes) => {
    expect(() => readAll([bytes])).toThrow(
      expect.objectContaining({ name: 'MalformedMessageError' })
    )
  })

  it('hand out payloads that do not change with the buffer', () => {
    const bytes = encodeFrame({ type: 'reply', id: 1, payload: Uint8Array.of(1, 2, 3) })
    const [frame] = readAll([bytes])
    bytes.fill(0)
    expect(frame).toEqual({ type: 'reply', id: 1, payload: Uint8Array.of(1, 2, 3) })
  })

  it('that are announced but do not come reserve no memory', () => {
    const reader = new FrameReader({ frameBytesMax: 1_000_000, onFrame: () => {} })
    reader.push(Uint8Array.of(0x80, 0x80, 0x3d, 5, 1))
    expect(reader.buffered).toBe(5)
  })
})
