const single = new Float32Array(1)
const singleBits = new Uint32Array(single.buffer)

/**
 * Bytes in which a finite float that is no safe integer is written: the fewest that keep its value.
 * Of the subnormal halves only the powers of two are used, as in the first version of this format;
 * the others are written as singles.
 */
export function floatSize(number: number): 2 | 4 | 8 {
  if (Math.fround(number) !== number) {
    return 8
  }
  single[0] = number
  const fraction = (singleBits[0] ?? 0) & 0x7f_ffff
  const magnitude = Math.abs(number)
  if (magnitude < 2 ** -14) {
    return magnitude >= 2 ** -24 && fraction === 0 ? 2 : 4
  }
  // A normal half has ten bits of fraction where a single has 23.
  return magnitude <= 65_504 && (fraction & 0x1fff) === 0 ? 2 : 4
}

/** The bits of a number for which {@link floatSize} is 2. */
export function halfBits(number: number): number {
  single[0] = number
  const bits = singleBits[0] ?? 0
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 127
  return exponent < -14
    ? sign | (1 << (24 + exponent))
    : sign | ((exponent + 15) << 10) | ((bits & 0x7f_ffff) >>> 13)
}

/** By hand: `DataView.getFloat16` is younger than the engines we support. */
export function numberOfHalf(half: number): number {
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? Number.POSITIVE_INFINITY
        : (1024 + fraction) * 2 ** (exponent - 25)
  return half >= 0x8000 ? -magnitude : magnitude
}
