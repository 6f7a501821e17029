import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameGuard } from '../src/core/frame-guard.ts'

const encoder = new TextEncoder()

function frame(text: string): number[] {
  const bytes = encoder.encode(`${text}\n`)
  const length =
    bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]
  return [...length, ...bytes]
}

function guardOf(init: { framesMax?: number; bytesMax?: number } = {}): FrameGuard {
  return new FrameGuard({
    bytesMax: 1_024,
    framesMax: 16,
    isLast: (text) => text === '/a/1',
    ...init
  })
}

/** What it says of these bytes when they come in pieces of that size. */
function inPieces(guard: FrameGuard, bytes: readonly number[], size: number): string {
  for (let at = 0; at < bytes.length; at += size) {
    const word = guard.take(Uint8Array.from(bytes.slice(at, at + size)))
    if (word !== 'pass') return word
  }
  return 'pass'
}

describe('a guard of frames', () => {
  test('is over with the word that is waited for, however the bytes are cut', () => {
    const bytes = [...frame('/multistream/1.0.0'), ...frame('x'.repeat(300)), ...frame('/a/1')]
    for (const size of [1, 2, 3, 7, 1_000]) {
      expect(inPieces(guardOf(), bytes, size)).toBe('over')
      expect(inPieces(guardOf(), bytes.slice(0, -1), size)).toBe('pass')
    }
  })

  test('leaves what comes after that word to others', () => {
    const guard = guardOf()
    const bytes = Uint8Array.from([...frame('/a/1'), 0x81, 0x81, 0x81, 0x81])
    expect(guard.take(bytes)).toBe('over')
    expect([...bytes.subarray(guard.consumed)]).toEqual([0x81, 0x81, 0x81, 0x81])
  })

  test('refuses a length that has no end, is nothing, or is too large', () => {
    for (const bytes of [[0x81, 0x81], [0], [0x81, 0x08], [0xff, 0xff, 0xff, 0xff, 0x0f]]) {
      expect(inPieces(guardOf(), bytes, 1)).toBe('refuse')
    }
    expect(inPieces(guardOf(), [0x80, 0x08, ...new Uint8Array(1_024)], 100)).toBe('pass')
  })

  test('refuses more words than it takes to agree', () => {
    const words = Array.from({ length: 16 }, () => frame('x'))
    expect(inPieces(guardOf(), words.slice(0, 15).flat(), 5)).toBe('pass')
    expect(inPieces(guardOf(), words.flat(), 5)).toBe('refuse')
  })

  test('says the same of any bytes in pieces and at once', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constant(frame('/a/1')),
            fc.constant(frame('ls')),
            fc.array(fc.nat(255), { maxLength: 8 })
          )
        ),
        fc.integer({ min: 1, max: 9 }),
        (parts, size) => {
          const bytes = parts.flat()
          expect(inPieces(guardOf(), bytes, size)).toBe(
            inPieces(guardOf(), bytes, bytes.length + 1)
          )
        }
      )
    )
  })
})
