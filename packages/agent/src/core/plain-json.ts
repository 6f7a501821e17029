import { InvalidParametersError } from '@murmuration/interface'

/*
 * JSON of values that JSON does not have: bytes and big integers are objects with one key that begins
 * with `~`; keys that begin so themselves get another one in front.
 */

const BYTES = '~bytes'
const BIGINT = '~bigint'

/** What JSON can say of a value of `@murmuration/codec`. */
export function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return { [BIGINT]: String(value) }
  if (value instanceof Uint8Array) return { [BYTES]: hexOf(value) }
  if (Array.isArray(value)) return value.map(toPlain)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(
    entries.map(([key, each]) => [key.startsWith('~') ? `~${key}` : key, toPlain(each)])
  )
}

/** More than any value may have that can be encoded. */
const depthMax = 64

/** The value again. @throws InvalidParametersError */
export function fromPlain(plain: unknown, depth = 0): unknown {
  if (depth > depthMax) throw new InvalidParametersError('the values are nested too deeply')
  if (Array.isArray(plain)) return plain.map((each) => fromPlain(each, depth + 1))
  if (typeof plain !== 'object' || plain === null) return plain
  const entries = Object.entries(plain)
  const [first] = entries
  if (entries.length === 1 && first !== undefined) {
    const [key, text] = first
    if (key === BIGINT || key === BYTES) return special(key, text)
  }
  return Object.fromEntries(
    entries.map(([key, each]) => [
      key.startsWith('~~') ? key.slice(1) : key,
      fromPlain(each, depth + 1)
    ])
  )
}

function special(key: string, text: unknown): unknown {
  const isBigint = key === BIGINT && typeof text === 'string' && /^-?\d{1,200}$/.test(text)
  if (isBigint) return BigInt(text)
  if (key === BYTES && typeof text === 'string' && /^(?:[0-9a-f]{2})*$/.test(text)) {
    return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  }
  throw new InvalidParametersError(`${key} holds no such value`)
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
