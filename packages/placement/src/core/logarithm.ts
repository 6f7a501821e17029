/**
 * Logarithms that are the same on every engine. `Math.log` is not: its last bits differ between
 * engines, and one differing bit would make two peers disagree about who owns an agent. Here are
 * only integers, and multiplications that IEEE 754 rounds in one way.
 */

/** Bits after the point of all logarithms here. */
const fractionBits = 24

/** One step of the table covers this many bits of a number after its leading one. */
const indexBits = 11
const tableSize = 2 ** indexBits
/** Bits of a 32-bit number that remain for the interpolation between two steps. */
const restBits = 31 - indexBits

/** log2(1 + index / 2048) with 24 bits after the point; the last entry is 1. */
export const table: Int32Array = new Int32Array(tableSize + 1)
for (let index = 0; index < tableSize; index += 1) {
  // Squaring doubles a logarithm: whether the square reaches 2 is its next binary digit.
  let number = 1 + index / tableSize
  let digits = 0
  for (let bit = 0; bit < fractionBits; bit += 1) {
    number *= number
    digits *= 2
    if (number >= 2) {
      number /= 2
      digits += 1
    }
  }
  table[index] = digits
}
table[tableSize] = 2 ** fractionBits

/**
 * -log2(u) for u = (high, low) / 2^64, with 24 bits after the point: 0 to 64 * 2^24. `high` and
 * `low` are unsigned 32-bit halves. It never rises when u rises.
 */
export function negativeLog2(high: number, low: number): number {
  // Once in 2^32 times the high half is empty; (0, 0) counts as the smallest u above it.
  const word = high === 0 ? low || 1 : high
  const leading = Math.clz32(word)
  // The leading one moved to the top, bits of the low half after those of the high one.
  const rising = high === 0 || leading === 0 ? 0 : low >>> (32 - leading)
  const mantissa = ((word << leading) | rising) & 0x7fff_ffff
  const index = mantissa >>> restBits
  const rest = (mantissa >>> (restBits - 16)) & 0xffff
  const below = table[index] ?? 0
  const above = table[index + 1] ?? 0
  const fraction = below + (((above - below) * rest) >>> 16)
  const whole = 31 - leading + (high === 0 ? 0 : 32)
  return (64 - whole) * 2 ** fractionBits - fraction
}
