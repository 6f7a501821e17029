import type { Random } from '@murmuration/interface'

/**
 * A seeded {@link Random} (sfc32): the same seed and label give the same numbers on every machine.
 * Labels give independent streams, so that one more draw in one place shifts nothing elsewhere.
 */
export function createRandom(seed: number, label = ''): Random {
  let state = hash(`${seed}/${label}`)
  const word = (): number => {
    // splitmix32: well mixed words to start from.
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return mixed ^ (mixed >>> 15)
  }
  let a = word()
  let b = word()
  let c = word()
  let counter = 1
  const next32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  return {
    next: () => next32() / 0x1_0000_0000,
    bytes: (length) => Uint8Array.from({ length }, () => next32() & 0xff)
  }
}

/** An integer in `from` to `to`, both included. */
export function integerBetween(random: Random, from: number, to: number): number {
  return from + Math.floor(random.next() * (to - from + 1))
}

/** One of the values, or undefined where there is none. */
export function pick<T>(random: Random, values: readonly T[]): T | undefined {
  return values[Math.floor(random.next() * values.length)]
}

function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value
}
