import { describe, expect, it } from 'vitest'
import { createDocument, decodeDocument } from './imports.ts'
import { attempt, feed, mutate, samples } from './hostile.ts'
import { bytesOf, everything, Replica, seeded } from './model.ts'

describe('mutated bytes', () => {
  it('are refused by name or applied whole, and leave a document that works', () => {
    // `node packages/crdt/test/hostile.ts` feeds 100,000 and more.
    const { refused } = feed(1, 20_000)
    expect(refused).toBeGreaterThan(5_000)
  })

  it('are refused as documents unless they are canonical', () => {
    const sources = samples()
    let refused = 0
    for (let seed = 1; seed <= 15_000; seed++) {
      const c = seeded(seed)
      const sample = sources[c.next(sources.length)]
      if (sample === undefined) continue
      const bytes = mutate(sample.base, c)
      const accepted = attempt(`seed ${seed}`, () => {
        const document = decodeDocument(bytes)
        expect(bytesOf(document), `seed ${seed}`).toBe(Buffer.from(bytes).toString('hex'))
        document.value(everything)
        document.merge(decodeDocument(sample.base))
        document.clone().merge(createDocument())
      })
      if (!accepted) refused++
    }
    expect(refused).toBeGreaterThan(5_000)
  })
})

describe('bombs', () => {
  it('are refused at once', () => {
    const huge = [255, 255, 255, 255, 255, 255, 15]
    const name = [1, 119]
    for (const bytes of [
      [],
      [0xd0],
      [0xc0],
      [0xc0, ...huge],
      [0xd0, ...huge],
      [0xd0, 1, ...name, 1, ...huge, ...huge],
      [0xd2, 1, ...name, 1, 1, 1, 102, (1 << 2) | 1, 10, ...huge],
      [
        0xd2,
        1,
        ...name,
        1,
        1,
        1,
        102,
        (2 << 2) | 1,
        ...Array.from({ length: 60 }, () => [10, 1]).flat()
      ],
      [0xd2, 1, ...name, ...huge, 1, 1, 102, 4, 0],
      [0xc0, 1, ...name, 0, ...huge]
    ]) {
      const what = bytes.slice(0, 20).join()
      const input = Uint8Array.from(bytes)
      expect(
        attempt(what, () => createDocument().apply(input)),
        what
      ).toBe(false)
      expect(
        attempt(what, () => decodeDocument(input)),
        what
      ).toBe(false)
    }
  })

  it('of many dots take time in proportion to their bytes', () => {
    const varint = (value: number): number[] =>
      value < 128
        ? [value]
        : value < 16384
          ? [(value & 127) | 128, value >> 7]
          : [(value & 127) | 128, ((value >> 7) & 127) | 128, value >> 14]
    const count = 100_000
    const dots = Array.from({ length: count }, (_, i) => [1, ...varint(i + 1)]).flat()
    const head = [2, 1, 119, 1, 120, 1]
    const removal = (tag: number): number[] => [(2 << 6) | (tag << 2), ...varint(count), ...dots]
    const bombs = [
      // Removals of unseen dots in one field of each shape.
      ...[1, 8, 9, 11].map((tag) => [0xd2, ...head, 1, 1, 102, ...removal(tag)]),
      // The same field written over and over, which no honest update does.
      [
        0xd0,
        ...head,
        ...varint(count),
        ...varint(count),
        ...Array.from({ length: count }, (_, i) =>
          i === 0 ? [1, 1, 102, (5 << 2) | 1, 0] : [0x10, (5 << 2) | 1, ...varint(i)]
        ).flat()
      ],
      // One element added over and over.
      [
        0xd0,
        ...head,
        ...varint(count),
        ...varint(count),
        ...Array.from({ length: count }, (_, i) => [
          ...(i === 0 ? [1, 1, 102] : [0x10]),
          (8 << 2) | 1,
          ...varint(i),
          128
        ]).flat()
      ],
      // Many fields that wait for updates.
      [
        0xd0,
        ...head,
        1,
        ...varint(30_000),
        ...Array.from({ length: 30_000 }, (_, i) => [
          1,
          3,
          97 + (i % 26),
          97 + (Math.floor(i / 26) % 26),
          97 + Math.floor(i / 676),
          (2 << 6) | (1 << 2),
          1,
          1,
          ...varint(i + 1)
        ]).flat()
      ]
    ].map((bytes) => Uint8Array.from(bytes))
    for (const [i, bomb] of bombs.entries()) {
      expect(bomb.length).toBeLessThanOrEqual(1_048_576)
      const document = createDocument()
      const start = process.cpuUsage()
      try {
        document.apply(bomb)
        document.merge(document.clone())
        document.apply(bomb)
      } catch (error) {
        expect(error).toMatchObject({ name: 'MalformedMessageError' })
      }
      const { user } = process.cpuUsage(start)
      // Quadratic work would take minutes; this is a second on a slow machine, garbage included.
      expect(user / 1e6, `bomb ${i}`).toBeLessThan(5)
    }
  })

  it('of shared references are refused by size', () => {
    let value: unknown = 'x'.repeat(100)
    for (let i = 0; i < 25; i++) value = [value, value]
    const start = performance.now()
    const replica = new Replica('w')
    expect(() => replica.execute([{ field: 'f', name: 'lww.set', args: [value] }])).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
    expect(performance.now() - start).toBeLessThan(500)
  })
})
