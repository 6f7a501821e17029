import { crc32c, maskedCrc32c, maskCrc } from './crc32c.ts'

const blockSize = 32_768
const headerSize = 7
/** Types of records; a part between the first and the last one has type 3. */
const fullRecord = 1
const firstPart = 2
const lastPart = 4
/** Power fails between sectors, not inside of them. */
const sectorSize = 512

/**
 * Looks for damage in a log of LevelDB and returns its offset, or undefined.
 *
 * When LevelDB opens a store it replays the log and *silently* leaves out records whose checksum is
 * wrong: acknowledged writes would read as absent. An incomplete record at the very end is no
 * damage, it is a write that was cut off before it was acknowledged. The difference:
 * - a record that goes on beyond the end of the file was cut off, unless its checksum holds for
 *   fewer bytes, which means that the length is what was damaged;
 * - zeros up to the end of the file were reserved and never written;
 * - a whole record at the end that does not match its checksum was cut off by a loss of power if a
 *   sector of it was never written (is all zeros), and is damaged otherwise.
 *
 * Format: blocks of 32 KiB with records of checksum (4), length (2), type (1) and data; no record
 * begins in the last six bytes of a block (doc/log_format.md of LevelDB).
 */
export function findLogDamage(file: Uint8Array): number | undefined {
  return readLog(file).damage
}

/** What {@link readLog} found. */
export interface LogContents {
  /** The data of the records before the damage, joined where a record was split over blocks. */
  readonly records: readonly Uint8Array[]
  /** As {@link findLogDamage}. */
  readonly damage: number | undefined
}

/** Reads a log; the manifest of a store has the same format. */
export function readLog(file: Uint8Array): LogContents {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const records: Uint8Array[] = []
  let parts: Uint8Array[] = []
  let offset = 0
  while (file.length - offset >= headerSize) {
    const blockEnd = (Math.floor(offset / blockSize) + 1) * blockSize
    if (blockEnd - offset < headerSize) {
      offset = blockEnd
      continue
    }
    const end = offset + headerSize + view.getUint16(offset + 4, true)
    const whole = end <= Math.min(blockEnd, file.length)
    if (!whole || view.getUint32(offset, true) !== maskedCrc32c(file, offset + 6, end)) {
      const damage = wasCutOff(file, view, offset, blockEnd) ? undefined : offset
      return { records, damage }
    }
    const type = view.getUint8(offset + 6)
    if (type === fullRecord || type === firstPart) {
      parts = []
    }
    parts.push(file.subarray(offset + headerSize, end))
    if (type === fullRecord || type === lastPart) {
      records.push(join(parts))
    }
    offset = end
  }
  return { records, damage: undefined }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) {
    return only
  }
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

function wasCutOff(file: Uint8Array, view: DataView, offset: number, blockEnd: number): boolean {
  if (isZero(file, offset, file.length)) {
    return true
  }
  const end = offset + headerSize + view.getUint16(offset + 4, true)
  if (end > blockEnd) {
    // The writer never lets a record cross the end of a block.
    return false
  }
  if (end > file.length) {
    return !holdsForFewerBytes(file, offset + 6, view.getUint32(offset, true))
  }
  return isZero(file, end, file.length) && hasUnwrittenSector(file, offset, end)
}

/** Whether the checksum is right for some end between `start` and the end of the file. */
function holdsForFewerBytes(file: Uint8Array, start: number, expected: number): boolean {
  let crc = crc32c(file, start, start)
  for (let end = start; end < file.length; end += 1) {
    crc = crc32c(file, end, end + 1, crc)
    if (maskCrc(crc) === expected) {
      return true
    }
  }
  return false
}

function hasUnwrittenSector(file: Uint8Array, start: number, end: number): boolean {
  for (let from = start; from < end;) {
    const to = Math.min(end, (Math.floor(from / sectorSize) + 1) * sectorSize)
    if (isZero(file, from, to)) {
      return true
    }
    from = to
  }
  return false
}

function isZero(file: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) {
    if (file[index] !== 0) {
      return false
    }
  }
  return true
}
