import { readLog } from './log-file.ts'
import { VarintReader } from './varint-reader.ts'

/** What the manifest of a store says about its files. */
export interface Manifest {
  /** Logs with this number or a higher one hold writes that are in no table yet. */
  readonly logNumber: number
  /** Numbers of the tables that hold data. Others are left over and will be removed. */
  readonly tables: ReadonlySet<number>
}

/**
 * Reads the manifest of a LevelDB store, a log of changes to its set of files; returns the offset of
 * its damage instead, if there is some.
 *
 * Format: each record is a list of fields that begin with their tag (db/version_edit.cc of LevelDB).
 */
export function readManifest(file: Uint8Array): Manifest | number {
  const { records, damage } = readLog(file)
  if (damage !== undefined) {
    return damage
  }
  let logNumber = 0
  const tables = new Set<number>()
  for (const record of records) {
    const reader = new VarintReader(record, 0, record.length)
    const number = (): number => reader.varint() ?? 0
    const skipText = (): void => {
      // First the number, since reading it moves the position.
      const length = number()
      reader.position += length
    }
    while (reader.position < record.length) {
      const tag = number()
      switch (tag) {
        case 1: // Name of the order of keys.
          skipText()
          break
        case 2:
          logNumber = number()
          break
        case 3: // Next number of a file.
        case 4: // Last number of a write.
        case 9: // Number of the log before, which is not used any more.
          number()
          break
        case 5: // Where the next compaction of a level begins.
          number()
          skipText()
          break
        case 6: // A table is removed from a level.
          number()
          tables.delete(number())
          break
        case 7: // A table of a size, with its first and last key, is added to a level.
          number()
          tables.add(number())
          number()
          skipText()
          skipText()
          break
        default:
          return 0
      }
    }
  }
  return { logNumber, tables }
}
