/**
 * Exact decimals as integers: a value of 12.5 is 12.5 × 10^18. Sums of them are exact, which sums of
 * binary floating-point numbers are not.
 */
const FRACTION_DIGITS = 18

/** Largest number of digits before the point; more is a broken feed, not a measurement. */
const WHOLE_DIGITS_MAX = 30

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/

/** Reads a JSON number as written. Undefined if it is none, or too long to be kept exactly. */
export function parseDecimal(text: string): bigint | undefined {
  const match = NUMBER.exec(text)
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '')
  const shift = FRACTION_DIGITS - fraction.length + Number(exponent)
  if (digits === '0') return 0n
  if (digits.length + shift > FRACTION_DIGITS + WHOLE_DIGITS_MAX) return undefined
  const scaled = shift >= 0 ? digits + '0'.repeat(shift) : cutZeros(digits, -shift)
  return scaled === undefined ? undefined : BigInt(sign + scaled)
}

/** Removes `count` digits at the end, which must be zeros. */
function cutZeros(digits: string, count: number): string | undefined {
  const at = Math.max(0, digits.length - count)
  if (!/^0*$/.test(digits.slice(at)) || count > digits.length) return undefined
  return digits.slice(0, at) || '0'
}

/** Writes an exact decimal as a JSON number, without superfluous zeros. */
export function formatDecimal(value: bigint): string {
  const digits = (value < 0n ? -value : value).toString().padStart(FRACTION_DIGITS + 1, '0')
  const whole = digits.slice(0, -FRACTION_DIGITS)
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '')
  return `${value < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}
