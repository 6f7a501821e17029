/**
 * What a report must say, computed from the text of the feed by other means than the mesh uses: plain
 * strings and integers, line by line.
 */
export interface Expected {
  count: number
  sum: bigint
  min: bigint
  max: bigint
  last: { time: number; value: bigint }
}

/** Digits after the point in feeds of these tests. */
const DIGITS = 4

export function expectedOf(feed: string): Map<string, Expected> {
  const devices = new Map<string, Expected>()
  for (const text of feed.split('\n')) {
    const match =
      /^\{"device":"([^"]+)","metric":"[^"]+","value":(-?)(\d+)\.(\d{4}),"time":(\d+)\}$/.exec(text)
    if (match === null) continue
    const [, device = '', sign, whole = '', fraction = '', time] = match
    const value = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n)
    const at = Number(time)
    const known = devices.get(device)
    if (known === undefined) {
      devices.set(device, {
        count: 1,
        sum: value,
        min: value,
        max: value,
        last: { time: at, value }
      })
      continue
    }
    known.count++
    known.sum += value
    if (value < known.min) known.min = value
    if (value > known.max) known.max = value
    // Lines are in order, so an equal time of a later line counts.
    if (at >= known.last.time) known.last = { time: at, value }
  }
  return devices
}

/** The text of a number of a report in units of 10^-4. */
export function units(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  const sign = whole.startsWith('-') ? -1n : 1n
  return sign * BigInt(whole.replace('-', '') + fraction.padEnd(DIGITS, '0'))
}

/** A feed of `lines` lines over `devices` devices, the same for the same seed. */
export function makeFeed(lines: number, devices: number, seed: number): string {
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const text: string[] = []
  for (let line = 0; line < lines; line++) {
    const sign = next(4) === 0 ? '-' : ''
    const value = `${sign}${next(1_000)}.${String(next(10_000)).padStart(4, '0')}`
    // Times come out of order and repeat, as they do in the field.
    const time = 1_767_225_600_000 + next(lines * 3)
    text.push(
      `{"device":"dev-${next(devices)}","metric":"m${next(5)}","value":${value},"time":${time}}`
    )
  }
  return `${text.join('\n')}\n`
}
