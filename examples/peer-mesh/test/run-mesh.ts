import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface MeshRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A run that hangs is ended after so many milliseconds, and then fails by its exit code. */
const RUN_MAX_MS = 120_000

/** Starts the mesh as a user would, as a process of its own. */
export function runMesh(
  args: readonly string[],
  input?: string,
  env: NodeJS.ProcessEnv = process.env,
  /** Hears what the mesh has written to its standard error, each time that there is more. */
  seen: (stderr: string) => void = () => {}
): Promise<MeshRun> {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  return new Promise((resolve) => {
    const mesh = spawn(process.execPath, [main, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    // A test that ran out of time leaves no mesh that slows down the next one; its peers end with it.
    onTestFinished(() => void mesh.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    mesh.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text))
    mesh.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      seen(stderr)
    })
    mesh.stdin.on('error', () => undefined) // A mesh that refuses its options does not read its input.
    mesh.stdin.end(input ?? '')
    const late = setTimeout(() => mesh.kill('SIGTERM'), RUN_MAX_MS)
    mesh.on('close', (code) => {
      clearTimeout(late)
      resolve({ code, stdout, stderr })
    })
  })
}
