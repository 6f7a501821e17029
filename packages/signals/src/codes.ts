/** The stable code of an error, to stand as a reason in a result. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error.code
  }
  return error instanceof Error ? error.name : 'ERR_UNKNOWN'
}
