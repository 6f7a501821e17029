import { InvalidParametersError } from '@murmuration/interface'
import { defaults, fixed } from '../defaults.ts'

/** The bounds of one rpc service; see `defaults` for what each is for. */
export type Limits = {
  readonly [Name in Exclude<keyof typeof defaults, 'cluster'>]: number
}

/** Options as users give them. */
export type LimitOptions = {
  readonly [Name in keyof Limits]?: number
}

/**
 * Fills in defaults.
 *
 * @throws InvalidParametersError naming the option that is out of range.
 */
export function checkLimits(options: LimitOptions): Limits {
  const { cluster: _cluster, ...bounds } = defaults
  const limits: { -readonly [Name in keyof Limits]: number } = { ...bounds }
  for (const name of names) {
    const value = options[name]
    if (value === undefined) continue
    if (!Number.isSafeInteger(value) || value < 1 || value > fixed.timeoutMsMax) {
      throw new InvalidParametersError(
        `${name} must be a whole number from 1 to ${fixed.timeoutMsMax}, got ${value}`
      )
    }
    limits[name] = value
  }
  return limits
}

const names: readonly (keyof Limits)[] = [
  'timeoutMs',
  'openTimeoutMs',
  'messageBytesMax',
  'outgoingBytesMax',
  'replyBytesMax',
  'callsPerPeerMax',
  'requestsPerPeerMax',
  'concurrencyMax',
  'windowItems',
  'windowBytes',
  'backoffMs',
  'backoffMsMax',
  'closeTimeoutMs'
]

/** @throws InvalidParametersError unless `timeoutMs` is a time that a call can wait. */
export function checkTimeout(timeoutMs: number, unlimited: boolean): number {
  if (unlimited && timeoutMs === Number.POSITIVE_INFINITY) return fixed.timeoutMsMax
  if (timeoutMs > 0 && timeoutMs <= fixed.timeoutMsMax) return timeoutMs
  throw new InvalidParametersError(
    `timeoutMs must be above 0 and at most ${fixed.timeoutMsMax}, got ${timeoutMs}`
  )
}
