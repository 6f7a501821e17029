import { expect, test } from 'vitest'
import { Assemblies, Assembly } from '../../src/core/assembly.ts'
import { checkOf } from '../../src/core/copy-messages.ts'
import type { Piece } from '../../src/core/copy-messages.ts'

const whole = Uint8Array.from({ length: 1000 }, (_, at) => (at * 7) % 251)

function pieceOf(at: number, end: number, of = whole): Piece {
  const bytes = of.subarray(at, end)
  return { total: of.length, digest: checkOf(of), at, check: checkOf(bytes), bytes }
}

test('pieces in order make the copy, and say where the next stream goes on', () => {
  const assembly = new Assembly('a', pieceOf(0, 400), 1000)
  expect(assembly.add(pieceOf(0, 400))).toBeUndefined()
  expect(assembly.resumption).toEqual({ digest: checkOf(whole), at: 400 })
  expect(assembly.add(pieceOf(400, 900))).toBeUndefined()
  expect(assembly.add(pieceOf(900, 1000))).toEqual(whole)
})

test('a piece that does not fit, is damaged or empty is refused, and changes nothing', () => {
  const assembly = new Assembly('a', pieceOf(0, 400), 1000)
  assembly.add(pieceOf(0, 400))
  const damaged = { ...pieceOf(400, 800), bytes: new Uint8Array(400) }
  const other = pieceOf(400, 800, whole.toReversed())
  for (const piece of [pieceOf(0, 400), pieceOf(500, 800), pieceOf(400, 400), damaged, other]) {
    expect(() => assembly.add(piece)).toThrow(/does not fit|is damaged/)
  }
  expect(assembly.resumption.at).toBe(400)
  expect(assembly.add(pieceOf(400, 1000))).toEqual(whole)
})

test('pieces that are right one by one and make another copy are refused', () => {
  const head = { ...pieceOf(0, 1000), digest: checkOf(Uint8Array.of(1)) }
  expect(() => new Assembly('a', head, 1000).add(head)).toThrow('another copy')
})

test('what is larger than a document may be is refused before anything is kept for it', () => {
  expect(() => new Assembly('a', pieceOf(0, 10), 999)).toThrow('the limit is 999')
})

test('incomplete copies take no more bytes than they may: the oldest go', () => {
  const kept = new Assemblies(2500)
  for (const id of ['a', 'b', 'c']) kept.keep(new Assembly(id, pieceOf(0, 400), 1000))
  expect(kept.take('a')).toBeUndefined()
  expect(kept.take('b')?.id).toBe('b')
  expect(kept.take('b')).toBeUndefined()
  kept.clear()
  expect(kept.take('c')).toBeUndefined()
})
