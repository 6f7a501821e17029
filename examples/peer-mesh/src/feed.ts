import { device as deviceType } from './agents.ts'
import { parseDecimal } from './decimal.ts'
import { LINE_MAX } from './lines.ts'

/** One good line of a feed. */
export interface Reading {
  /** Number of the line, counted from 1. */
  readonly line: number
  readonly device: string
  readonly metric: string
  /** Exact, × 10^18. */
  readonly value: bigint
  /** Nanoseconds since 1970. */
  readonly time: bigint
}

/** One bad line of a feed, and why. */
export interface BadLine {
  readonly line: number
  readonly reason: string
}

/** A number as it is written in the file: its text keeps what a binary number would round. */
class NumberText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Reads one line; undefined for a blank one. */
export function parseLine(text: string, line: number): Reading | BadLine | undefined {
  if (text.trim() === '') return undefined
  if (text.length > LINE_MAX) return { line, reason: `longer than ${LINE_MAX} characters` }
  let value: unknown
  try {
    value = JSON.parse(text, keepNumberText)
  } catch (error) {
    return { line, reason: `not JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { line, reason: 'not a JSON object' }
  }
  const fields = value as Record<string, unknown> // each field is checked below
  const { device, metric } = fields
  if (typeof device !== 'string') return { line, reason: 'device is not a text' }
  const name = checkDevice(device)
  if (name !== undefined) return { line, reason: name }
  if (typeof metric !== 'string' || metric === '' || metric.length > 128) {
    return { line, reason: 'metric must be a text of 1 to 128 characters' }
  }
  if (!(fields.value instanceof NumberText)) return { line, reason: 'value is not a number' }
  const exact = parseDecimal(fields.value.text)
  if (exact === undefined)
    return { line, reason: `value ${fields.value.text.slice(0, 40)} is too long` }
  const time = parseTime(fields.time)
  if (time === undefined)
    return { line, reason: 'time is neither an ISO 8601 text nor milliseconds' }
  return { line, device, metric, value: exact, time }
}

/** Why a text cannot name a device: it is the key of an agent. */
function checkDevice(name: string): string | undefined {
  try {
    deviceType.id(name)
    return undefined
  } catch (error) {
    return `device must be a good key of an agent: ${error instanceof Error ? error.message : String(error)}`
  }
}

export function isBad(result: Reading | BadLine): result is BadLine {
  return 'reason' in result
}

function keepNumberText(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' ? new NumberText(context?.source ?? String(value)) : value
}

const ISO =
  /^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9})\d*)?(Z|[+-]\d{2}:?\d{2})?$/

/** Nanoseconds since 1970 of an ISO 8601 text (UTC where it names no zone) or of milliseconds. */
function parseTime(value: unknown): bigint | undefined {
  if (value instanceof NumberText) {
    const exact = parseDecimal(value.text)
    return exact === undefined ? undefined : exact / 10n ** 12n
  }
  if (typeof value !== 'string') return undefined
  const match = ISO.exec(value)
  if (match === null) {
    const day = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(value) : Number.NaN
    return Number.isNaN(day) ? undefined : BigInt(day) * 1_000_000n
  }
  const [, seconds = '', fraction = '', zone = 'Z'] = match
  const milliseconds = Date.parse(seconds.replace(' ', 'T') + zone)
  if (Number.isNaN(milliseconds)) return undefined
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}
