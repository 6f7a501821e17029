import { open } from 'node:fs/promises'
import { OptionError } from './options.ts'

/** Finds out now whether a file can be written, and not when the run is over. */
export async function checkWritable(path: string, option: string): Promise<void> {
  try {
    await (await open(path, 'a')).close()
  } catch (error) {
    throw new OptionError(`${option} ${path} cannot be written: ${reasonOf(error)}.`)
  }
}

/** `ENOENT: no such file or directory, open 'x'` without the code and the call. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return /^[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? message
}
