import type { Clock, Random } from '@murmuration/interface'

/**
 * Makes UUIDs of version 7 (RFC 9562). Those of one maker rise: within a millisecond, or when the
 * clock goes back, the 12 bits after the time count up.
 */
export function createIds(clock: Clock, random: Random): () => string {
  let lastMs = -1
  let count = 0
  return () => {
    const bytes = random.bytes(16)
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
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      hex.slice(12, 16),
      hex.slice(16, 20),
      hex.slice(20)
    ].join('-')
  }
}
