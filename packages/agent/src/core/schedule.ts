import { Cron } from 'croner'
import { InvalidParametersError } from '@murmuration/interface'

/** When something is due, as a definition says it. */
export interface ScheduleTimes {
  /** `'30s'`, `'5m'`, `'1h'`, `'1d'`; one second to 365 days. */
  readonly every?: string
  /** Five fields, or six with seconds first; a skipped local time runs when the gap ends, a repeated one once. */
  readonly cron?: string
  /** IANA name, of `cron`. @default 'UTC' */
  readonly timeZone?: string
}

/** The ticks of one schedule. A tick is the time at which it is due, in whole seconds since 1970. */
export interface Ticks {
  /** The first tick after this time, in milliseconds since 1970; undefined if there is none. */
  after(timeMs: number): number | undefined
  /** The last tick at or before this time; undefined if there is none. */
  latest(timeMs: number): number | undefined
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
const SECONDS_MAX = 365 * 86_400

/**
 * The ticks that a definition means. `phase` (0 to 1) moves those of `every` within one interval, so
 * that many agents with one schedule are not due at one moment; `cron` means what it says.
 *
 * @throws InvalidParametersError
 */
export function ticksOf(name: string, times: ScheduleTimes, phase: number): Ticks {
  const { every, cron, timeZone } = times
  if ((every === undefined) === (cron === undefined)) {
    throw new InvalidParametersError(`schedule ${name} needs either every or cron`)
  }
  if (cron !== undefined) return cronTicks(name, cron, timeZone ?? 'UTC')
  if (timeZone !== undefined) {
    throw new InvalidParametersError(`schedule ${name}: a time zone belongs to cron`)
  }
  return intervalTicks(secondsOf(name, every ?? ''), phase)
}

function secondsOf(name: string, every: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(every) ?? []
  const seconds = Number(amount) * (UNITS[unit] ?? 0)
  if (seconds >= 1 && seconds <= SECONDS_MAX) return seconds
  throw new InvalidParametersError(
    `schedule ${name}: every must be 1s to 365d, such as 30s or 1h, not ${JSON.stringify(every)}`
  )
}

function intervalTicks(seconds: number, phase: number): Ticks {
  const offset = Math.floor(seconds * phase)
  const latest = (timeMs: number): number =>
    Math.floor((Math.floor(timeMs / 1_000) - offset) / seconds) * seconds + offset
  return { latest, after: (timeMs) => latest(timeMs) + seconds }
}

function cronTicks(name: string, pattern: string, timezone: string): Ticks {
  let cron: Cron
  try {
    cron = new Cron(pattern, { timezone })
    // Only now is the time zone looked up.
    cron.nextRun(new Date(0))
  } catch (cause) {
    throw new InvalidParametersError(`schedule ${name}: ${String(cause)}`, { cause })
  }
  return {
    after: (timeMs) => secondOf(cron.nextRun(new Date(timeMs))),
    // What is due at this very moment counts: so a millisecond later is asked about.
    latest: (timeMs) => secondOf(cron.previousRuns(1, new Date(timeMs + 1))[0])
  }
}

function secondOf(date: Date | null | undefined): number | undefined {
  return date === null || date === undefined ? undefined : Math.floor(date.getTime() / 1_000)
}
