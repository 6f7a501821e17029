import { execFile } from 'node:child_process'

export interface Run {
  readonly code: number
  readonly output: string
}

/** Milliseconds an example may take: it must end by itself. */
const EXAMPLE_MAX_MS = 60_000

/** Runs a command; never rejects, so that the output of a failure can be shown. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  timeoutMs: number = EXAMPLE_MAX_MS
): Promise<Run> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1' }
    execFile(
      command,
      [...args],
      { cwd, env, timeout: timeoutMs, maxBuffer: 2 ** 24 },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        const late = error?.killed === true ? `\nended after ${timeoutMs} ms` : ''
        resolve({ code, output: `${out}${err}${late}` })
      }
    )
  })
}
