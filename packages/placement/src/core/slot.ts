import { InvalidParametersError } from '@murmuration/interface'
import { sha256 } from '@noble/hashes/sha2.js'
import { slotsDefault, slotsMax } from '../defaults.ts'

const encoder = new TextEncoder()

/**
 * The slot of a key, 0 to `slots - 1`, the same on every peer and engine: the first 48 bits of the
 * SHA-256 of its UTF-8 text, modulo the number of slots (default 16,384).
 */
export function slotOf(key: string, slots: number = slotsDefault): number {
  checkSlots(slots)
  return hashToSlot(key, slots)
}

/** {@link slotOf} for a number of slots that was checked before. */
export function hashToSlot(key: string, slots: number): number {
  const hash = new DataView(sha256(encoder.encode(key)).buffer)
  return (hash.getUint32(0) * 0x1_0000 + hash.getUint16(4)) % slots
}

export function checkSlots(slots: number): void {
  if (!Number.isSafeInteger(slots) || slots < 1 || slots > slotsMax) {
    throw new InvalidParametersError(`the number of slots must be a whole number up to ${slotsMax}`)
  }
}
