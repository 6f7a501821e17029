import { describe, expect, it } from 'vitest'
import { createDocument, decodeDocument } from './imports.ts'
import { bytesOf, everything, Replica } from './model.ts'

/*
 * The bytes of the format. If one of these changes, stored documents and peers of the former
 * version can no longer be read: give the format a new version byte and keep reading the old one.
 */

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const a = new Replica('alpha')
const b = new Replica('beta')
const deltas: string[] = []
const steps: readonly (() => Uint8Array)[] = [
  () => a.update(everything, (s) => s.sum.increment(300), 1.8e12).delta,
  () => a.update(everything, (s) => s.last.set('text'), 1.8e12).delta,
  () => a.update(everything, (s) => s.last.set({ b: [1.5, -2, null], a: 2n ** 70n })).delta,
  () => b.update(everything, (s) => s.versions.set(-1)).delta,
  () => b.update(everything, (s) => s.tags.add('x')).delta,
  () => b.update(everything, (s) => s.tags.remove('x')).delta,
  () =>
    a.update(everything, (s) => {
      s.items.push('p', 'q')
      s.items.insert(1, 'm')
      s.items.move(0, 2)
      s.on.enable()
      s.low.update(-5)
      s.high.update('z')
      s.big.increment(-(1n << 60n))
      s.counters.get('k').increment(7)
      s.cells.get('k').set(0.25)
      s.deep.get('ä').get('ö').set(1)
    }).delta,
  () => a.update(everything, (s) => s.counters.delete('k')).delta
]
for (const step of steps) deltas.push(hex(step()))

describe('the format', () => {
  it('of deltas is fixed', () => {
    expect(deltas).toMatchInlineSnapshot(`
      [
        "d20105616c70686101010373756d2503ac02",
        "d30105616c7068610280a0f1c2b1340101046c61737405080474657874",
        "d30105616c7068610380a0f1c2b1340201046c617374450b020161060940000000000000000001620a03053ff800000000000004010001",
        "d201046265746101010876657273696f6e73090400",
        "d20104626574610201047461677321080178",
        "d2010462657461030104746167736001",
        "d10105616c706861040c0c80a0f1c2b1340301056974656d732d000801700100102d010801710200000400102d0208016d0200000401102e030004020000040201026f6e150401036c6f770d050404010468696768110608017a01036269672907070810000000000000000208636f756e74657273016b250887201909020563656c6c73016b050a053fd000000000000003046465657002c3a402c3b6050b81",
        "d10105616c70686110010280a0f1c2b134040208636f756e74657273016b1d0087205803",
      ]
    `)
  })

  it('of documents is fixed', () => {
    const document = createDocument()
    for (const [i, delta] of deltas.entries()) {
      // A hole, and a removal that waits.
      if (i !== 3 && i !== 4) document.apply(Buffer.from(delta, 'hex'))
    }
    expect(bytesOf(document)).toMatchInlineSnapshot(
      `"c00205616c70686110000462657461000103000c01036269671401000708100000000000000000020563656c6c73016b0201000e80a0f1c2b13403053fd00000000000000208636f756e74657273016b0e01001080a0f1c2b134048720120100870003046465657002c3a402c3b60201000f80a0f1c2b13403810104686967680801000a08017a01056974656d7316030004080170010001000780a0f1c2b1340302000004020005080171020000040000000608016d0200000401000001046c6173740201000380a0f1c2b134020b020161060940000000000000000001620a03053ff800000000000004010001036c6f7706010009040401026f6e0a010008010373756d12010003ac02000104746167731101010200"`
    )
    expect(bytesOf(decodeDocument(document.encode()))).toBe(bytesOf(document))
  })

  it('of an empty document is three bytes', () => {
    expect(bytesOf(createDocument())).toBe('c00000')
  })
})
