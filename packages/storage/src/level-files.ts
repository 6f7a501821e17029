import { Buffer } from 'node:buffer'
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CorruptDataError } from '@murmuration/interface'
import { findLogDamage } from './core/log-file.ts'
import { readManifest } from './core/manifest-file.ts'
import { findTableDamage } from './core/table-file.ts'

/**
 * Makes the directory, for its owner only, so that its name survives a loss of power too: a synced file
 * in a directory whose own entry was never synced is gone with it, and so with each directory above.
 */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  let made = resolve(path)
  while (first !== undefined && made.length >= resolve(first).length) {
    made = dirname(made)
    // One after the other: there are few, and this is done once in the life of a store.
    // oxlint-disable-next-line no-await-in-loop
    await syncDirectory(made)
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } catch {
    // Some systems (Windows) cannot sync a directory, and need not: they journal its entries.
  } finally {
    await directory.close()
  }
}

/**
 * Throws `CorruptDataError` on the first damaged or missing file of a store that is not open.
 *
 * Only files that the store still needs are looked at: a compaction that was cut off by a stop
 * leaves half a table behind, which is no damage.
 */
export async function verifyFiles(path: string, which: 'all' | 'log'): Promise<void> {
  const names = await readdir(path)
  const damaged = (name: string, where: string): CorruptDataError =>
    new CorruptDataError(`the store at ${path} is damaged: ${name} ${where}`)
  const current = await readIfPresent(join(path, 'CURRENT'))
  if (current === undefined) {
    // LevelDB would begin a new store and remove the files of the old one.
    if (names.some((name) => fileNumber(name, '.log') !== undefined || isTable(name))) {
      throw damaged('CURRENT', 'is missing')
    }
    return
  }
  const manifestName = Buffer.from(current).toString('latin1').trimEnd()
  if (!/^MANIFEST-\d+$/.test(manifestName)) {
    throw damaged('CURRENT', 'names no manifest')
  }
  const manifestFile = await readIfPresent(join(path, manifestName))
  if (manifestFile === undefined) {
    throw damaged(manifestName, 'is missing')
  }
  const manifest = readManifest(manifestFile)
  if (typeof manifest === 'number') {
    throw damaged(manifestName, `at byte ${manifest}`)
  }
  const logs = names.map((name) => fileNumber(name, '.log') ?? -1)
  if (manifest.logNumber > 0 && !logs.includes(manifest.logNumber)) {
    throw damaged(`log ${manifest.logNumber}`, 'is missing')
  }
  for (const name of names) {
    const log = fileNumber(name, '.log')
    const table = fileNumber(name, '.ldb') ?? fileNumber(name, '.sst')
    const needed =
      (log !== undefined && log >= manifest.logNumber) ||
      (table !== undefined && which === 'all' && manifest.tables.has(table))
    if (!needed) {
      continue
    }
    // oxlint-disable-next-line no-await-in-loop -- one file in memory at a time
    const file = await readIfPresent(join(path, name))
    const damage = file && (log === undefined ? findTableDamage(file) : findLogDamage(file))
    if (damage !== undefined) {
      throw damaged(name, `at byte ${damage}`)
    }
  }
}

/** The number of a file that is named by its number and a suffix, such as `000012.log`. */
function fileNumber(name: string, suffix: string): number | undefined {
  const number = name.endsWith(suffix) ? name.slice(0, -suffix.length) : ''
  return /^\d+$/.test(number) ? Number(number) : undefined
}

function isTable(name: string): boolean {
  return (fileNumber(name, '.ldb') ?? fileNumber(name, '.sst')) !== undefined
}

/** A file may vanish if another process has the store open; then opening it fails clearly. */
async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

/** Throws where the disk takes no writes. */
export async function probeDisk(path: string, bytes: number): Promise<void> {
  const name = join(path, 'probe')
  try {
    const file = await open(name, 'w', 0o600)
    try {
      await file.writeFile(Buffer.alloc(bytes))
      await file.sync()
    } finally {
      await file.close()
    }
  } finally {
    await rm(name, { force: true })
  }
}
