import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameReader } from '../src/core/frame-reader.ts'
import type { Frame } from '../src/core/frames.ts'
import { Outbox } from '../src/core/outbox.ts'

function drain(outbox: Outbox): Frame[] {
  const seen: Frame[] = []
  const reader = new FrameReader({ frameBytesMax: 2_000_000, onFrame: (frame) => seen.push(frame) })
  for (let bytes = outbox.peek(); bytes !== undefined; bytes = outbox.peek()) {
    outbox.left()
    reader.push(bytes)
  }
  return seen
}

describe('the outbox', () => {
  it('gathers what is appended in one turn into one buffer', () => {
    const outbox = new Outbox()
    for (let id = 0; id < 64; id++) {
      outbox.append({ type: 'reply', id, payload: new Uint8Array(200) })
    }
    const bytes = outbox.peek()
    expect(bytes?.length).toBe(outbox.queued)
    outbox.left()
    expect(outbox.queued).toBe(0)
    expect(outbox.peek()).toBeUndefined()
  })

  it('copies payloads', () => {
    const outbox = new Outbox()
    const payload = Uint8Array.of(1, 2, 3)
    outbox.append({ type: 'reply', id: 1, payload })
    payload.fill(9)
    expect(drain(outbox)).toEqual([{ type: 'reply', id: 1, payload: Uint8Array.of(1, 2, 3) }])
  })

  it('keeps order, knows what has left and takes back what has not', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            size: fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 10_000, max: 70_000 })),
            action: fc.constantFrom('keep', 'take back', 'send one', 'peek')
          }),
          { maxLength: 30 }
        ),
        (steps) => {
          const outbox = new Outbox()
          const seen: Frame[] = []
          const reader = new FrameReader({
            frameBytesMax: 100_000,
            onFrame: (frame) => seen.push(frame)
          })
          const expected: number[] = []
          const positions = new Map<number, number>()
          for (const [id, { size, action }] of steps.entries()) {
            positions.set(id, outbox.append({ type: 'reply', id, payload: new Uint8Array(size) }))
            expected.push(id)
            if (action === 'peek') outbox.peek()
            if (action === 'send one') {
              const bytes = outbox.peek()
              outbox.left()
              if (bytes !== undefined) reader.push(bytes)
            }
            if (action === 'take back') {
              const victim = Math.floor(id / 2)
              const position = positions.get(victim) ?? 0
              const left = outbox.hasLeft(position)
              expect(outbox.takeBack(position)).toBe(!left)
              if (!left)
                expected.splice(0, Infinity, ...expected.filter((other) => other !== victim))
            }
          }
          for (let bytes = outbox.peek(); bytes !== undefined; bytes = outbox.peek()) {
            outbox.left()
            reader.push(bytes)
          }
          expect(seen.map((frame) => ('id' in frame ? frame.id : -1))).toEqual(expected)
          expect(outbox.queued).toBe(0)
        }
      ),
      { numRuns: 300 }
    )
  })
})
