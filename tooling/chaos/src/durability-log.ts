import { createWriteStream } from 'node:fs'
import type { WriteStream } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Which part of an agent an update changes. */
export type Part = 'merged' | 'agreed'

/** What a run that was ended half-way goes on from. */
interface Progress {
  readonly secret: string
  readonly peers: number
  readonly turn: number
  readonly wiped: readonly number[]
  readonly seconds: number
}

const LOG_FILE = 'acknowledged.log'
const PROGRESS_FILE = 'progress.json'

/**
 * The log of acknowledged updates, outside of the cluster. With a folder it is a file there, so that
 * a later turn of the same run goes on with what earlier ones were promised.
 */
export class DurabilityLog {
  /** Names of acknowledged updates, by part and agent. */
  readonly names: { readonly [P in Part]: Map<string, Set<string>> } = {
    merged: new Map(),
    agreed: new Map()
  }
  acknowledged = 0
  readonly #folder: string | undefined
  #file: WriteStream | undefined
  #failure: Error | undefined

  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  async open(): Promise<Progress | undefined> {
    const folder = this.#folder
    if (folder === undefined) return undefined
    await mkdir(folder, { recursive: true })
    const path = join(folder, LOG_FILE)
    for (const line of (await textOf(path)).split('\n')) {
      const [part, key, name] = line.split(' ')
      // A line that was cut off by the end of its turn was not counted as acknowledged.
      if ((part === 'merged' || part === 'agreed') && key !== undefined && name !== undefined) {
        this.#count(part, key, name)
      }
    }
    this.#file = createWriteStream(path, { flags: 'a' })
    this.#file.once('error', (error) => (this.#failure = error))
    const progress = await textOf(join(folder, PROGRESS_FILE))
    return progress === '' ? undefined : (JSON.parse(progress) as Progress) // written by `keep`
  }

  add(part: Part, key: string, name: string): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#count(part, key, name)
    this.#file?.write(`${part} ${key} ${name}\n`)
  }

  async keep(progress: Progress): Promise<void> {
    if (this.#folder === undefined) return
    await writeFile(join(this.#folder, PROGRESS_FILE), `${JSON.stringify(progress)}\n`)
  }

  async close(): Promise<void> {
    const file = this.#file
    if (file !== undefined) await new Promise<void>((resolve) => file.end(() => resolve()))
  }

  #count(part: Part, key: string, name: string): void {
    const names = this.names[part].get(key) ?? new Set<string>()
    if (names.has(name)) return
    this.names[part].set(key, names.add(name))
    this.acknowledged++
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '' // the first turn
    throw error
  }
}
