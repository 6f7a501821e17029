import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InboundOrder } from '../src/core/inbound-order.ts'
import type { Admission } from '../src/core/inbound-order.ts'

const stream = { author: 'a', boot: 1, channel: 't' }
const init = { holdMs: 100, holdBatchesMax: 4, gapsMax: 8, streamsMax: 4 }

function order(changes: Partial<typeof init> = {}): {
  subject: InboundOrder<number>
  take: (
    first: number,
    count?: number,
    now?: number,
    boot?: number,
    since?: number
  ) => Admission<number>
} {
  const subject = new InboundOrder<number>({ ...init, ...changes })
  return {
    subject,
    take: (first, count = 1, now = 0, boot = 1, since = first) =>
      subject.admit({ author: 'a', channel: 't', boot, first, since, count, item: first }, now)
  }
}

describe('inbound order', () => {
  it('hands on at once what comes in order', () => {
    const { take } = order()
    expect(take(1).ready).toEqual([1])
    expect(take(2, 5).ready).toEqual([2])
    expect(take(7).ready).toEqual([7])
  })

  it('refuses what was delivered, in whole or in part', () => {
    const { take } = order()
    take(1, 10)
    for (const [first, count] of [
      [1, 10],
      [1, 1],
      [10, 1],
      [5, 2],
      [10, 5]
    ] as const) {
      expect(take(first, count).admitted).toBe(false)
    }
    expect(take(11).admitted).toBe(true)
  })

  it('holds back what is early until the missing part comes', () => {
    const { subject, take } = order()
    take(1)
    expect(take(4, 2)).toMatchObject({ admitted: true, ready: [], missing: 2 })
    expect(take(3)).toMatchObject({ ready: [], missing: 0 })
    expect(subject.nextExpiry()).toBe(100)
    expect(take(2)).toMatchObject({ ready: [2, 3, 4], lost: [] })
    expect(subject.nextExpiry()).toBeUndefined()
  })

  it('gives up on what is missing, counts it, and still takes it late', () => {
    const { subject, take } = order()
    take(1)
    take(5, 1, 10)
    expect(subject.expire(109)).toEqual({ ready: [], lost: [] })
    expect(subject.expire(110)).toEqual({ ready: [5], lost: [{ ...stream, from: 2, to: 4 }] })
    expect(take(3, 1, 120)).toMatchObject({ admitted: true, ready: [3], late: 1 })
    expect(take(3, 1, 130).admitted).toBe(false)
    expect(take(6, 1, 130).ready).toEqual([6])
  })

  it('holds back only so many batches', () => {
    const { take } = order()
    take(1)
    for (const first of [10, 12, 14, 16]) {
      expect(take(first).ready).toEqual([])
    }
    expect(take(18)).toMatchObject({ ready: [10], lost: [{ ...stream, from: 2, to: 9 }] })
  })

  it('takes a first contact from where it is, and earlier ones once', () => {
    const { take } = order()
    expect(take(50)).toMatchObject({ admitted: true, ready: [50], missing: 0 })
    expect(take(49)).toMatchObject({ admitted: true, ready: [49], late: 1 })
    expect(take(49).admitted).toBe(false)
  })

  it('waits at a first contact for what its author sent a moment before', () => {
    const { subject, take } = order()
    expect(take(50, 1, 0, 1, 48)).toMatchObject({ ready: [], missing: 0 })
    expect(take(48).ready).toEqual([48])
    expect(take(49).ready).toEqual([49, 50])
    const other = order()
    other.take(50, 1, 0, 1, 48)
    expect(other.subject.expire(100)).toEqual({ ready: [50], lost: [] })
    expect(other.take(49)).toMatchObject({ ready: [49], late: 1 })
    expect(subject.nextExpiry()).toBeUndefined()
  })

  it('begins anew with each boot, and refuses boots that are long gone', () => {
    const { take } = order()
    take(1, 1, 0, 5)
    expect(take(1, 1, 0, 6).ready).toEqual([1])
    expect(take(2, 1, 0, 5).ready).toEqual([2])
    expect(take(1, 1, 0, 7).ready).toEqual([1])
    expect(take(3, 1, 0, 5).admitted).toBe(false)
    expect(take(1, 1, 0, 4).admitted).toBe(false)
  })

  it('takes no gap for a loss after a pause', () => {
    const { subject, take } = order()
    take(1)
    subject.pause('t')
    expect(take(9, 1, 0, 1, 8)).toMatchObject({ ready: [], missing: 0, lost: [] })
    expect(take(8).ready).toEqual([8, 9])
    expect(take(12)).toMatchObject({ ready: [], missing: 2 })
  })

  it('never holds back where nothing can be early', () => {
    const { subject, take } = order({ holdMs: 0 })
    take(1)
    expect(take(5)).toMatchObject({ ready: [5], missing: 0 })
    expect(take(3)).toMatchObject({ ready: [3], late: 1 })
    expect(take(3).admitted).toBe(false)
    expect(subject.nextExpiry()).toBeUndefined()
  })

  it('remembers only so many publishers and gaps', () => {
    const { subject, take } = order({ holdMs: 0 })
    take(1)
    for (let first = 3; first < 100; first += 2) {
      take(first)
    }
    expect(take(2).admitted).toBe(false)
    expect(take(98).admitted).toBe(true)
    for (const author of ['b', 'c', 'd', 'e']) {
      subject.admit({ author, channel: 't', boot: 1, first: 1, since: 1, count: 1, item: 1 }, 0)
    }
    // The memory of 'a' went: its first contact is now.
    expect(take(99).admitted).toBe(true)
  })

  it('delivers each batch exactly once and in order, whatever the network repeats or shuffles', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat(1000)), (counts, numbers) => {
        const { subject, take } = order({ holdBatchesMax: 100, gapsMax: 100 })
        const next = (): number => numbers.next().value ?? 0
        let first = 1
        const batches = counts.map((count) => {
          const batch = { first, count }
          first += count
          return batch
        })
        const copies = [...batches, ...batches].map((batch) => ({ batch, at: next() }))
        const got: number[] = []
        for (const { batch } of copies.toSorted((a, b) => a.at - b.at)) {
          got.push(...take(batch.first, batch.count, 0, 1, 1).ready)
        }
        expect(got).toEqual(batches.map((batch) => batch.first))
        expect(subject.nextExpiry()).toBeUndefined()
      })
    )
  })
})
