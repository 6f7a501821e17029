/** Errors that say that the far side is not there, or does not answer. */
const unavailable: ReadonlySet<string> = new Set([
  'PeerUnavailableError',
  'ConnectionLostError',
  'DeadlineExceededError',
  'UnavailableError'
])

/** Whether an error has the three facts of a `MurmurationError`, of whichever copy of the package. */
export function isFactual(error: unknown): error is Error & {
  readonly code: string
  readonly retryable: boolean
  readonly overloaded: boolean
  readonly outcomeUnknown: boolean
} {
  return (
    error instanceof Error &&
    'retryable' in error &&
    typeof error.retryable === 'boolean' &&
    'overloaded' in error &&
    'outcomeUnknown' in error
  )
}

/**
 * Whether an error counts against the far side by default. What it answered, refusals and errors of
 * its handlers included, shows that it is there; errors of unknown kind count.
 */
export function isUnavailability(error: unknown): boolean {
  return isFactual(error) ? unavailable.has(error.name) : true
}
