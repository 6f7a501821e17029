import { describe, expect, it } from 'vitest'
import type { Document } from './imports.ts'
import { createDocument, decodeDocument } from './imports.ts'
import type { Choices, Everything } from './model.ts'
import {
  applyAll,
  bytesOf,
  change,
  everything,
  expectSame,
  Replica,
  seeded,
  shuffled
} from './model.ts'

// Object.keys loses the key type; the object is the literal above.
const names = Object.keys(everything) as (keyof Everything)[]

/** Five replicas, a network that loses, delays, repeats and reorders, and crashes. */
function run(seed: number, steps: number): void {
  const c: Choices = seeded(seed)
  const replicas = Array.from({ length: 5 }, (_, i) => new Replica(`peer${i}#0`))
  const log: Uint8Array[] = []
  const network: { to: number; delta: Uint8Array }[] = []
  const disks: Uint8Array[] = replicas.map(({ document }) => document.encode())
  for (let step = 0; step < steps; step++) {
    const at = c.next(5)
    const replica = replicas[at]
    if (replica === undefined) continue
    const action = c.next(20)
    if (action < 7) {
      const { delta } = replica.update(everything, (draft) => {
        for (let left = c.next(3); left >= 0; left--) change(draft, names, c)
      })
      log.push(delta)
      // Saved before it is sent: what left the replica survives its crash.
      disks[at] = replica.document.encode()
      for (let to = 0; to < 5; to++) if (to !== at && c.next(3) > 0) network.push({ to, delta })
    } else if (action < 16 && network.length > 0) {
      const index = c.next(network.length)
      const message = network[index]
      if (message === undefined) continue
      replicas[message.to]?.document.apply(message.delta)
      if (c.next(4) > 0) network.splice(index, 1)
    } else if (action === 16) {
      // A crash: back to the last saved state, under a new writer.
      const next = new Replica(`peer${at}#${step}`)
      next.document = decodeDocument(disks[at] ?? new Uint8Array())
      replicas[at] = next
    } else if (action === 17) {
      const other = replicas[c.next(5)]
      if (other !== undefined) replica.document.merge(other.document)
    }
  }
  const reference = applyAll(log)
  const healed = replicas.map(({ document }, i): Document => {
    // Some by repeating all deltas, some by state.
    if (i % 2 === 0) return applyAll(shuffled(log, c), document)
    document.merge(reference)
    return document
  })
  expectSame([reference, ...healed])
  expect(reference.apply(log[0] ?? new Uint8Array()).missing).toEqual([])
}

describe('five replicas', () => {
  it('converge to identical bytes over a network that loses, repeats and reorders', () => {
    for (let seed = 1; seed <= 150; seed++) {
      try {
        run(seed, 150)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  })

  it('never show an element again once the only addition of it was removed', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const c = seeded(seed)
      const a = new Replica('a')
      const b = new Replica('b')
      const deltas: Uint8Array[] = []
      const schema = { tags: everything.tags }
      const live = new Set<number>()
      for (let i = 0; i < 40; i++) {
        const replica = c.next(2) === 0 ? a : b
        const value = c.next(6)
        const removes = c.next(2) === 0
        const { delta } = replica.update(schema, (s) =>
          removes ? s.tags.remove(value) : s.tags.add(value)
        )
        if (removes) live.delete(value)
        else live.add(value)
        deltas.push(delta)
        // In lockstep, so that there is one right answer.
        a.document.apply(delta)
        b.document.apply(delta)
      }
      const late = applyAll(shuffled([...deltas, ...deltas], c))
      late.merge(a.document)
      for (const delta of shuffled(deltas, c)) late.apply(delta)
      expect(new Set(late.value(schema).tags), `seed ${seed}`).toEqual(live)
      expect(bytesOf(late)).toBe(bytesOf(b.document))
    }
  })

  it('keep every increment exactly once', () => {
    const c = seeded(7)
    const replicas = Array.from({ length: 5 }, (_, i) => new Replica(`w${i}`))
    const schema = { sum: everything.sum, big: everything.big }
    let sum = 0
    let big = 0n
    const deltas: Uint8Array[] = []
    for (let i = 0; i < 500; i++) {
      const by = c.next(1000) - 400
      const { delta } = (replicas[c.next(5)] ?? new Replica('w0')).update(schema, (s) => {
        s.sum.increment(by)
        s.big.increment(BigInt(by) << 70n)
      })
      deltas.push(delta)
      sum += by
      big += BigInt(by) << 70n
    }
    const halves = [createDocument(), createDocument()]
    for (const delta of deltas) halves[c.next(2)]?.apply(delta)
    const whole = createDocument()
    for (const half of halves) whole.merge(half)
    expect(whole.value(schema)).toEqual({ sum, big })
  })
})
