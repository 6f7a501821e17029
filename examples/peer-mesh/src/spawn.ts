import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CHILD_INIT } from './child.ts'
import type { ChildInit } from './protocol.ts'

/** Where Node keeps what it has compiled: a process then takes half as much processor time to start. */
const COMPILE_CACHE = join(tmpdir(), 'node-compile-cache')
/** Text that a process wrote to standard error, kept for when it ends badly. */
const ERROR_TEXT_MAX = 4_096

export interface Child {
  readonly process: ChildProcess
  /** The end of what it wrote to standard error. */
  errorText(): string
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<void>
}

/** Starts a process of the mesh from the file of that name beside this one. */
export function spawnChild(
  file: 'peer' | 'feeder',
  init: ChildInit,
  onMessage: (message: unknown) => void
): Child {
  const path = fileURLToPath(new URL(`./${file}.ts`, import.meta.url))
  const child = fork(path, [], {
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, [CHILD_INIT]: JSON.stringify(init) },
    // The feeder reads the feed from the standard input of the whole program.
    stdio: [file === 'feeder' ? 'inherit' : 'ignore', 'ignore', 'pipe', 'ipc']
  })
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-ERROR_TEXT_MAX)
  })
  child.on('message', onMessage)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return { process: child, errorText: () => text, ended }
}
