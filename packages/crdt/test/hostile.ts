import { pathToFileURL } from 'node:url'
import type { createDocument } from './imports.ts'
import { decodeDocument } from './imports.ts'
import type { Choices, Everything } from './model.ts'
import { bytesOf, change, everything, Replica, seeded } from './model.ts'

/*
 * Mutated deltas against loaded documents. Run: node packages/crdt/test/hostile.ts [--count 100000]
 * [--seed 1]. Ends with an error at the first one that crashes, stalls for over 50 ms, leads to an
 * error without a name of ours, or changes a document that it should not.
 */

// Object.keys loses the key type; the object is the literal above.
const names = Object.keys(everything) as (keyof Everything)[]

export function mutate(bytes: Uint8Array, c: Choices): Uint8Array {
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

export interface Sample {
  readonly base: Uint8Array
  readonly deltas: readonly Uint8Array[]
}

export function samples(): Sample[] {
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
export function attempt(what: string, fn: (again: boolean) => void): boolean {
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

function check(isSame: boolean, what: string): void {
  if (!isSame) throw new Error(what)
}

/** Feeds mutated deltas, one for each seed. */
export function feed(first: number, count: number): { refused: number; accepted: number } {
  const sources = samples()
  let refused = 0
  for (let seed = first; seed < first + count; seed++) {
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
      if (before !== undefined) check(bytesOf(document) === before, `seed ${seed}: changed`)
      continue
    }
    used.delete(sample.base)
    // What was let in must be a state like any other.
    const bytes = document.encode()
    check(bytesOf(decodeDocument(bytes)) === bytesOf(document), `seed ${seed}: not canonical`)
    document.value(everything)
    document.toJSON()
    if (seed % 8 === 0) for (const good of sample.deltas) document.apply(good)
  }
  return { refused, accepted: count - refused }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const option = (name: string, otherwise: number): number => {
    const at = process.argv.indexOf(name)
    return at < 0 ? otherwise : Number(process.argv[at + 1])
  }
  const [count, seed] = [option('--count', 100_000), option('--seed', 1)]
  const began = performance.now()
  const { refused, accepted } = feed(seed, count)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(`frames: ${count}, refused: ${refused}, taken: ${accepted}, seconds: ${seconds}`)
}
