/** Castagnoli polynomial, reflected. */
const polynomial = 0x82f6_3b78

const table = new Uint32Array(256)
for (let byte = 0; byte < 256; byte += 1) {
  let remainder = byte
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
  }
  table[byte] = remainder >>> 0
}

/**
 * CRC-32C of `bytes[start..end)`, the checksum of LevelDB's files (`node:zlib` has CRC-32 only).
 * `before` is the result for the bytes before `start`, to go on from there.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number, before = 0): number {
  let crc = ~before
  for (let index = start; index < end; index += 1) {
    // Both indices are always inside; the zeros satisfy the type system.
    crc = (table[(crc ^ (bytes[index] ?? 0)) & 255] ?? 0) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

/** LevelDB stores checksums rotated and shifted, so that a checksum of checksums is no trouble. */
export function maskCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0
}

export function maskedCrc32c(bytes: Uint8Array, start: number, end: number): number {
  return maskCrc(crc32c(bytes, start, end))
}
