import fc from 'fast-check'
import { encode } from '@murmuration/codec'
import { toString } from 'uint8arrays/to-string'
import { describe, expect, test } from 'vitest'
import { decodeFrame, encodeFrame, transcript } from '../src/core/admission-frames.ts'

const nonce = new Uint8Array(32).fill(1)
const signature = new Uint8Array(64).fill(2)
const certificates = [Uint8Array.of(3)]

describe('admission frames', () => {
  test('come back as they were sent', () => {
    const frames = [
      { kind: 'hello', nonce, certificates },
      { kind: 'accept', nonce, certificates, signature },
      { kind: 'confirm', signature },
      { kind: 'refuse', reason: 'expired' }
    ] as const
    for (const frame of frames) {
      expect(decodeFrame(encodeFrame(frame))).toEqual(frame)
    }
  })

  test('have golden bytes', () => {
    const hello = encodeFrame({ kind: 'hello', nonce, certificates })
    expect(toString(hello, 'base16')).toMatchInlineSnapshot(
      `"01a3646b696e646568656c6c6f656e6f6e6365582001010101010101010101010101010101010101010101010101010101010101016c636572746966696361746573814103"`
    )
    expect(
      toString(encodeFrame({ kind: 'refuse', reason: 'full' }), 'base16')
    ).toMatchInlineSnapshot(`"01a2646b696e646672656675736566726561736f6e6466756c6c"`)
    const [a, b] = [nonce, new Uint8Array(32).fill(9)]
    const said = transcript(
      { peer: 'a', nonce: a, certificates },
      { peer: 'b', nonce: b, certificates }
    )
    expect(toString(said, 'base16')).toMatchInlineSnapshot(
      `"86616161625820010101010101010101010101010101010101010101010101010101010101010158200909090909090909090909090909090909090909090909090909090909090909814103814103"`
    )
  })

  test('tell no reason that is not known, whatever a stranger writes', () => {
    for (const reason of ['root:x', 'EXPIRED', '', 'a\u001b[31m', 'made-up']) {
      const frame = Uint8Array.of(1, ...encode({ kind: 'refuse', reason }))
      expect(decodeFrame(frame)).toEqual({ kind: 'refuse', reason: 'unknown' })
    }
  })

  test('of the wrong form are malformed', () => {
    const short = new Uint8Array(31)
    const bad = [
      new Uint8Array(),
      Uint8Array.of(2, 0xa0),
      Uint8Array.of(1, 0xa0),
      encodeFrame({ kind: 'hello', nonce: short, certificates }),
      encodeFrame({ kind: 'hello', nonce, certificates: [] }),
      encodeFrame({ kind: 'accept', nonce, certificates, signature: short }),
      encodeFrame({ kind: 'confirm', signature: short })
    ]
    for (const bytes of bad) {
      expect(() => decodeFrame(bytes)).toThrow(
        expect.objectContaining({ code: 'ERR_MALFORMED_MESSAGE' })
      )
    }
    const three = [1, 2, 3].map((byte) => Uint8Array.of(byte))
    expect(() => encodeFrame({ kind: 'hello', nonce, certificates: three })).toThrow(/at most 2/)
  })

  test('from noise never throw anything but a malformed message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          decodeFrame(Uint8Array.of(1, ...noise))
        } catch (error) {
          expect(error instanceof Error && error.name).toBe('MalformedMessageError')
        }
      })
    )
  })

  test('prove nothing for another peer, nonce, certificate or side', () => {
    const left = { peer: 'a', nonce, certificates }
    const right = { peer: 'b', nonce: new Uint8Array(32), certificates }
    const all = [
      transcript(left, right),
      transcript(right, left),
      transcript({ ...left, peer: 'c' }, right),
      transcript({ ...left, nonce: new Uint8Array(32) }, right),
      transcript({ ...left, certificates: [] }, right),
      transcript(left, { ...right, peer: 'c' }),
      transcript(left, { ...right, certificates: [Uint8Array.of(4)] })
    ].map((bytes) => toString(bytes, 'base16'))
    expect(new Set(all).size).toBe(all.length)
  })
})
