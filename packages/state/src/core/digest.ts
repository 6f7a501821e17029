import { equals } from 'uint8arrays/equals'

/**
 * Digests that find differences between copies. Two 32-bit lanes, combined by XOR, so that one
 * changed entry updates the digest of its document in constant time. They guard against accident,
 * not against a malicious member, who could corrupt a document anyway.
 */
export interface Digest {
  readonly high: number
  readonly low: number
}

export const emptyDigest: Digest = { high: 0, low: 0 }

export function combine(a: Digest, b: Digest): Digest {
  return { high: (a.high ^ b.high) >>> 0, low: (a.low ^ b.low) >>> 0 }
}

export function equalDigests(a: Digest, b: Digest): boolean {
  return a.high === b.high && a.low === b.low
}

/** Multiplications by large odd constants and a final mix, in the manner of MurmurHash3. */
function finish(a: number, b: number): Digest {
  let high = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  let low = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  high = Math.imul(high ^ (high >>> 15), 0x2c1b3c6d)
  low = Math.imul(low ^ (low >>> 15), 0x297a2d39)
  return { high: (high ^ (high >>> 13)) >>> 0, low: (low ^ (low >>> 16)) >>> 0 }
}

export function digestText(text: string): Digest {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x9e3779b1)
    b = Math.imul(b ^ unit, 0x5f356495)
  }
  return finish(a, b)
}

export function digestBytes(bytes: Uint8Array): Digest {
  let a = 0xdeadbeef ^ bytes.length
  let b = 0x41c6ce57
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x9e3779b1)
    b = Math.imul(b ^ byte, 0x5f356495)
  }
  return finish(a, b)
}

/** As it travels. */
export function digestToText(digest: Digest): string {
  return digest.high.toString(36) + '.' + digest.low.toString(36)
}

const digestBytesEach = 8

/** Many of them, as they travel: 8 bytes each. */
export function packDigests(digests: readonly Digest[]): Uint8Array {
  const packed = new DataView(new ArrayBuffer(digests.length * digestBytesEach))
  for (const [at, { high, low }] of digests.entries()) {
    packed.setUint32(at * digestBytesEach, high)
    packed.setUint32(at * digestBytesEach + 4, low)
  }
  return new Uint8Array(packed.buffer)
}

/** How many digests there are in a pack, at least one. */
export function countPacked(packed: Uint8Array): number {
  return Math.max(1, Math.floor(packed.length / digestBytesEach))
}

/** Positions at which two packs differ; all of them where one pack is longer. */
export function differingDigests(a: Uint8Array, b: Uint8Array): number[] {
  const differing: number[] = []
  for (let at = 0; at < a.length; at += digestBytesEach) {
    const end = at + digestBytesEach
    if (a.length !== b.length || !equals(a.subarray(at, end), b.subarray(at, end))) {
      differing.push(at / digestBytesEach)
    }
  }
  return differing
}
