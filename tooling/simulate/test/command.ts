import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly output: string
  readonly lastLine: string
}

export interface SimulateOptions {
  /** Another repository than this one. */
  readonly root?: string
  /** Sees the process while it runs. */
  readonly during?: (child: ChildProcess) => void
}

/** Runs `pnpm simulate` as a user does. */
export function simulate(
  args: readonly string[],
  { root, during = () => {} }: SimulateOptions = {}
): Promise<Outcome> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: root === undefined ? process.env : { ...process.env, SIMULATE_ROOT: root }
  })
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
