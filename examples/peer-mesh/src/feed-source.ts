import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { OptionError } from './options.ts'
import type { MeshOptions } from './options.ts'
import { reasonOf } from './writable.ts'

export interface FeedSource {
  /** A file, or `-` for standard input. */
  readonly path: string
  /** Lines, where that is known before reading. */
  readonly total: number | undefined
  close(): Promise<void>
}

/** Finds the feed and, where it is a file, how long it is. */
export async function openFeed(options: MeshOptions): Promise<FeedSource> {
  const path = options.feed ?? '-'
  if (path !== '-' && (await isRegular(path))) {
    return { path, total: await countLines(path), close: async () => undefined }
  }
  if (!options.faults.some(({ at }) => 'share' in at)) {
    // A pipe can be read once, so nobody counts its lines first.
    return { path, total: undefined, close: async () => undefined }
  }
  // A share of the feed has a meaning only when its length is known: it is read to its end first.
  const folder = await mkdtemp(join(tmpdir(), 'mesh-feed-'))
  const file = join(folder, 'feed.ndjson')
  await pipeline(path === '-' ? process.stdin : createReadStream(path), createWriteStream(file))
  return {
    path: file,
    total: await countLines(file),
    close: () => rm(folder, { recursive: true, force: true })
  }
}

/** Whether it is a file that can be read twice. */
async function isRegular(path: string): Promise<boolean> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) throw new Error('it is a directory')
    if (!found.isFile()) return false
    await (await open(path, 'r')).close()
    return true
  } catch (error) {
    throw new OptionError(`--feed ${path} cannot be read: ${reasonOf(error)}.`)
  }
}

async function countLines(path: string): Promise<number> {
  let lines = 0
  let last = NEW_LINE
  try {
    for await (const chunk of createReadStream(path)) {
      for (const byte of chunk as Uint8Array) if (byte === NEW_LINE) lines++
      last = (chunk as Uint8Array).at(-1) ?? last
    }
  } catch (error) {
    throw new OptionError(`--feed ${path} cannot be read: ${reasonOf(error)}.`)
  }
  return last === NEW_LINE ? lines : lines + 1
}

const NEW_LINE = 0x0a
