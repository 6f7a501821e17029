/** The stable code of an error, to stand as a reason in a result. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error.code
  }
  return error instanceof Error ? error.name : 'ERR_UNKNOWN'
}

/** What an error says, of any kind and whatever it is made of. */
export function textOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  } catch {
    // An object without a prototype, for one, is no text.
    return 'an error without a text'
  }
}
