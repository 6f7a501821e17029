import type { Clock, Random } from '@murmuration/interface'

const idsPerPool = 64
const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * Makes UUIDs of version 7 (RFC 9562). Those of one maker rise: within a millisecond, or when the
 * clock goes back, the 12 bits after the time count up.
 */
export function createIds(clock: Clock, random: Random): () => string {
  let pool: Uint8Array = new Uint8Array(0)
  let at = 0
  let lastMs = -1
  let count = 0
  return () => {
    if (at + 16 > pool.length) {
      // Many at once: asking the system for each costs more than all the rest.
      pool = random.bytes(16 * idsPerPool)
      at = 0
    }
    const bytes = pool.subarray(at, at + 16)
    at += 16
    const now = Math.floor(clock.now())
    if (now > lastMs) {
      lastMs = now
      // Half of the space, so that there is room to count.
      count = (((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)) & 0x7ff
    } else {
      count += 1
      if (count > 0xfff) {
        // More than 2048 ids in a millisecond borrow from the next one.
        lastMs += 1
        count = 0
      }
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    view.setUint16(0, Math.floor(lastMs / 2 ** 32))
    view.setUint32(2, lastMs % 2 ** 32)
    view.setUint16(6, 0x7000 | count)
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
    let hex = ''
    for (const byte of bytes) {
      hex += hexOf[byte] ?? ''
    }
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      hex.slice(12, 16),
      hex.slice(16, 20),
      hex.slice(20)
    ].join('-')
  }
}
