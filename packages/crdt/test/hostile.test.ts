import { describe, expect, it } from 'vitest'
import { createDocument, decodeDocument } from './imports.ts'
import type { Choices, Everything } from './model.ts'
import { bytesOf, change, everything, Replica, seeded } from './model.ts'

// Object.keys loses the key type; the object is the literal above.
const names = Object.keys(everything) as (keyof Everything)[]

function mutate(bytes: Uint8Array, c: Choices): Uint8Array {
  const action = c.next(6)
  let result = bytes.slice()
  const at = c.next(Math.max(1, result.length))
  if (action === 0) result = result.slice(0, at)
  else if (action === 1) for (let i = 0; i < 5; i++) result[at + i] = i < 4 ? 255 : 127
  else if (action === 2) {
    result = Uint8Array.from({ length: c.next(60) }, () => c.next(256))
    if (c.next(2) === 0) result[0] = bytes[0] ?? 0
  } else if (action === 3) {
    const cut = c.next(8)
    result = Uint8Array.from([...result.slice(0, at), ...result.slice(at + cut)])
  } else {
    for (let flips = 1 + c.next(3); flips > 0; flips--) {
      result[c.next(Math.max(1, result.length))] = c.next(256)
    }
  }
  return result
}

interface Sample {
  readonly base: Uint8Array
  readonly deltas: readonly Uint8Array[]
}

function samples(): Sample[] {
  return Array.from({ length: 20 }, (_, i) => {
    const c = seeded(i + 1)
    const a = new Replica('alpha')
    const b = new Replica('beta')
    const deltas: Uint8Array[] = []
    for (let step = 0; step < 12; step++) {
      const replica = step % 2 === 0 ? a : b
      const { delta } = replica.update(everything, (draft) => change(draft, names, c))
      deltas.push(delta)
      if (c.next(2) === 0) (replica === a ? b : a).document.apply(delta)
    }
    return { base: a.document.encode(), deltas }
  })
}

/**
 * Runs on mutated bytes; only a MalformedMessageError may come out, and soon. What was slow is run
 * again: a stall in the code comes back, one of a busy machine does not.
 */
function attempt(what: string, fn: (again: boolean) => void): boolean {
  let took = Infinity
  let accepted = true
  for (let round = 0; round < 5 && took > 20; round++) {
    const start = performance.now()
    try {
      fn(round > 0)
    } catch (error) {
      accepted = false
      if (!(error instanceof Error) || error.name !== 'MalformedMessageError') {
        throw new Error(`${what} led to another error`, { cause: error })
      }
    }
    took = Math.min(took, performance.now() - start)
  }
  if (took > 50) throw new Error(`${what} took ${took} ms`)
  return accepted
}

describe('mutated bytes', () => {
  it('are refused by name or applied whole, and leave a document that works', () => {
    const sources = samples()
    let refused = 0
    for (let seed = 1; seed <= 40_000; seed++) {
      const c = seeded(seed)
      const sample = sources[c.next(sources.length)]
      const original = sample?.deltas[c.next(sample.deltas.length)]
      if (sample === undefined || original === undefined) continue
      const delta = mutate(original, c)
      const document = shared(sample.base)
      const before = seed % 8 === 0 ? bytesOf(document) : undefined
      const accepted = attempt(`seed ${seed}`, (again) => {
        const target = again ? decodeDocument(sample.base) : document
        target.apply(delta)
      })
      if (!accepted) {
        refused++
        if (before !== undefined) expect(bytesOf(document), `seed ${seed}`).toBe(before)
        continue
      }
      used.delete(sample.base)
      // What was let in must be a state like any other.
      expect(bytesOf(decodeDocument(document.encode())), `seed ${seed}`).toBe(bytesOf(document))
      document.value(everything)
      document.toJSON()
      if (seed % 8 === 0) for (const good of sample.deltas) document.apply(good)
    }
    expect(refused).toBeGreaterThan(10_000)
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

/** Documents are reused until something got in. */
const used = new Map<Uint8Array, ReturnType<typeof createDocument>>()

function shared(base: Uint8Array): ReturnType<typeof createDocument> {
  let document = used.get(base)
  if (document === undefined) {
    document = decodeDocument(base)
    used.set(base, document)
  }
  return document
}

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
