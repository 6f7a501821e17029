import { InvalidParametersError } from '@murmuration/interface'
import type { StoreOperation, StoreRange } from '@murmuration/interface'
import { keyLengthMax } from '../defaults.ts'

/** Throws on a key that is empty, too long, or no well-formed Unicode (two such could collide). */
export function checkKey(key: string): void {
  if (typeof key !== 'string' || key.length === 0 || key.length > keyLengthMax) {
    throw new InvalidParametersError(`a key must be a text of 1 to ${keyLengthMax} characters`)
  }
  if (!key.isWellFormed()) {
    throw new InvalidParametersError('a key must be well-formed Unicode')
  }
}

/** Throws on a batch with a bad key or value. */
export function checkBatch(batch: readonly StoreOperation[]): void {
  for (const { key, value } of batch) {
    checkKey(key)
    if (value !== undefined && !(value instanceof Uint8Array)) {
      throw new InvalidParametersError(`the value of ${key} must be a Uint8Array or undefined`)
    }
  }
}

export function checkRange(range: StoreRange): void {
  const { limit } = range
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) {
    throw new InvalidParametersError('the limit of a range must be a whole number')
  }
  for (const bound of [range.prefix, range.after]) {
    if (bound !== undefined && !bound.isWellFormed()) {
      throw new InvalidParametersError('the bounds of a range must be well-formed Unicode')
    }
  }
}

/**
 * Order of the UTF-8 bytes of two well-formed texts, without encoding them. UTF-16 sorts characters
 * above U+FFFF, which are pairs of units from D800 on, before U+E000; UTF-8 sorts them last.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) {
      return rank(left) - rank(right)
    }
  }
  return a.length - b.length
}

/** Moves the units of pairs (D800 to DFFF) behind all others. */
function rank(unit: number): number {
  if (unit < 0xd800) {
    return unit
  }
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
