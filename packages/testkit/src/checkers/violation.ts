/** A promise that a history does not keep. */
export interface Violation {
  /** Which promise, such as `read your writes`. */
  readonly rule: string
  /** What happened instead. */
  readonly detail: string
}

/** Thrown by {@link assertHolds} and `assertLinearizable`. */
export class ViolationError extends Error {
  readonly violations: readonly Violation[]

  constructor(violations: readonly Violation[]) {
    const [first] = violations
    const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : ''
    super(`${first?.rule}: ${first?.detail}${more}`)
    this.name = 'ViolationError'
    this.violations = violations
  }
}

/** Throws `ViolationError` where there is a violation. */
export function assertHolds(violations: readonly Violation[]): void {
  if (violations.length > 0) {
    throw new ViolationError(violations)
  }
}
