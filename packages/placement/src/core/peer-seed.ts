import { sha256 } from '@noble/hashes/sha2.js'

const encoder = new TextEncoder()

/** What stands for a peer in the hash of a slot: two unsigned 32-bit halves. */
export interface PeerSeed {
  readonly high: number
  readonly low: number
}

/**
 * The seed of a peer. Only the PeerId goes in, never the incarnation: a peer that lost its disk
 * comes back to the same slots.
 */
export function peerSeed(peer: string): PeerSeed {
  const hash = new DataView(sha256(encoder.encode(`murmuration/hrw/1/${peer}`)).buffer)
  return { high: hash.getUint32(0), low: hash.getUint32(4) }
}

/**
 * Mixes all bits of a 32-bit number into all others: the finalizer of MurmurHash3, in which a
 * change of any bit changes each other bit with a chance of one half.
 */
export function mix(word: number): number {
  let mixed = word ^ (word >>> 16)
  mixed = Math.imul(mixed, 0x85eb_ca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2_ae35)
  return mixed ^ (mixed >>> 16)
}
