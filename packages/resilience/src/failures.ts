import { isFactual } from '@murmuration/interface'

/** Errors that say that the far side is not there, or does not answer. */
const unavailable: ReadonlySet<string> = new Set([
  'PeerUnavailableError',
  'ConnectionLostError',
  'DeadlineExceededError',
  'UnavailableError'
])

/**
 * Whether an error counts against the far side by default. What it answered, refusals and errors of
 * its handlers included, shows that it is there; errors of unknown kind count.
 */
export function isUnavailability(error: unknown): boolean {
  return isFactual(error) ? unavailable.has(error.name) : true
}
