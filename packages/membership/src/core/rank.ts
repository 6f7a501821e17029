/**
 * A 32-bit hash of a text (FNV-1a, then the finaliser of MurmurHash3). It spreads roles over
 * members; nothing rests on it being hard to foresee, because members are trusted.
 */
export function rank(salt: string, text: string): number {
  let hash = 0x811c9dc5
  for (const part of [salt, '/', text]) {
    for (let index = 0; index < part.length; index++) {
      hash = Math.imul(hash ^ part.charCodeAt(index), 0x01000193)
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
