/** Where a command writes; a test passes its own. */
export interface Output {
  /** Data, for people or, with `--json`, for programs. */
  data(value: unknown, text: string): void
  /** Everything else. */
  note(text: string): void
}

/** Data to standard output, the rest to standard error. */
export function processOutput(isJson: boolean): Output {
  return {
    data: (value, text) => {
      process.stdout.write(`${isJson ? JSON.stringify(value) : text}\n`)
    },
    note: (text) => {
      process.stderr.write(`${text}\n`)
    }
  }
}

/** Rows with columns of equal width. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}
