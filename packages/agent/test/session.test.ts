import fc from 'fast-check'
import { Session } from '@murmuration/agent'
import { describe, expect, it } from 'vitest'

describe('session', () => {
  it('numbers requests from 1 and tells the lowest that is open', () => {
    const session = new Session('s')
    expect(session.open()).toEqual({ session: 's', sequence: 1, lowest: 1 })
    expect(session.open()).toEqual({ session: 's', sequence: 2, lowest: 1 })
    session.confirm(1)
    expect(session.open()).toEqual({ session: 's', sequence: 3, lowest: 2 })
  })

  it('ignores what is confirmed twice, or was never opened', () => {
    const session = new Session('s')
    session.confirm(1)
    session.confirm(99)
    session.confirm(Number.NaN)
    expect(session.open()).toEqual({ session: 's', sequence: 1, lowest: 1 })
    session.confirm(1)
    session.confirm(1)
    expect(session.open()).toEqual({ session: 's', sequence: 2, lowest: 2 })
  })

  it('refreshes its own keys and leaves those of other sessions alone', () => {
    const session = new Session('s')
    const [first, second] = [session.open(), session.open()]
    session.confirm(first.sequence)
    expect(session.refresh(second)).toEqual({ session: 's', sequence: 2, lowest: 2 })
    session.confirm(second.sequence)
    session.open()
    // Its floor never passes the key itself, or its own repetition would be refused.
    expect(session.refresh(second).lowest).toBe(2)
    const foreign = { session: 'other', sequence: 900, lowest: 7 }
    expect(session.refresh(foreign)).toBe(foreign)
  })

  it('never lets the floor pass an open request, and raises it past all that are confirmed', () => {
    const step = fc.oneof(
      fc.constant({ kind: 'open' as const }),
      fc.nat(40).map((index) => ({ kind: 'confirm' as const, index }))
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const session = new Session('s')
        const open = new Set<number>()
        let last = 0
        const lowest = (): number => Math.min(last + 1, ...open)
        for (const next of steps) {
          if (next.kind === 'open') {
            const before = lowest()
            const key = session.open()
            expect(key.sequence).toBe(++last)
            open.add(key.sequence)
            expect(key.lowest).toBe(before)
          } else {
            const sequence = [...open][next.index % Math.max(1, open.size)] ?? next.index
            session.confirm(sequence)
            open.delete(sequence)
          }
          for (const sequence of open) {
            const key = session.refresh({ session: 's', sequence, lowest: 1 })
            expect(key.lowest).toBe(lowest())
          }
        }
      })
    )
  })
})
