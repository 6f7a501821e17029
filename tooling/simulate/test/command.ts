import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly output: string
  readonly lastLine: string
}

/** Runs `pnpm simulate` as a user does; `during` sees the process while it runs. */
export function simulate(
  args: readonly string[],
  during: (child: ChildProcess) => void = () => {}
): Promise<Outcome> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const read = (bytes: Buffer): void => {
    output += bytes.toString()
  }
  child.stdout.on('data', read)
  child.stderr.on('data', read)
  during(child)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ code, output, lastLine: output.trim().split('\n').at(-1) ?? '' })
    })
  })
}
