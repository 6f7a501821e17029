import { maskedCrc32c } from './crc32c.ts'
import { VarintReader } from './varint-reader.ts'
import type { Handle } from './varint-reader.ts'

const footerSize = 48
/** Each block is followed by its compression type (1) and its checksum (4). */
const trailerSize = 5
const magicLow = 0x8b80_fb57
const magicHigh = 0xdb47_7524

/**
 * Looks for damage in a table file of LevelDB and returns its offset, or undefined.
 *
 * LevelDB compares the checksums of blocks only if it is asked to, and its binding for Node cannot
 * ask. Values have a checksum of their own, but a damaged key or filter would read as absent.
 *
 * Format: blocks without gaps, then a footer with the places of the index of filters and the index
 * of data blocks (doc/table_format.md of LevelDB). Only uncompressed files can be read here, and
 * this package writes no others.
 */
export function findTableDamage(file: Uint8Array): number | undefined {
  const footer = file.length - footerSize
  if (footer < 0) {
    return 0
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (
    view.getUint32(file.length - 8, true) !== magicLow ||
    view.getUint32(file.length - 4, true) !== magicHigh
  ) {
    return footer
  }
  const reader = new VarintReader(file, footer, file.length - 8)
  const [filters, index] = [reader.handle(), reader.handle()]
  if (filters === undefined || index === undefined) {
    return footer
  }
  const blocks = [filters, index]
  for (const handle of [filters, index]) {
    if (!isIntact(file, handle, footer)) {
      return handle.offset
    }
    const entries = handlesOf(file, view, handle)
    if (entries === undefined) {
      return handle.offset
    }
    blocks.push(...entries)
  }
  // Without gaps: a damaged place of a block cannot hide the block itself.
  blocks.sort((a, b) => a.offset - b.offset)
  let end = 0
  for (const block of blocks) {
    if (block.offset !== end || !isIntact(file, block, footer)) {
      return end
    }
    end = block.offset + block.size + trailerSize
  }
  return end === footer ? undefined : end
}

function isIntact(file: Uint8Array, { offset, size }: Handle, footer: number): boolean {
  const end = offset + size
  if (end + trailerSize > footer) {
    return false
  }
  const view = new DataView(file.buffer, file.byteOffset + end + 1, 4)
  return view.getUint32(0, true) === maskedCrc32c(file, offset, end + 1)
}

/** The places that the entries of an index block hold; undefined if it cannot be read. */
function handlesOf(file: Uint8Array, view: DataView, block: Handle): Handle[] | undefined {
  const end = block.offset + block.size
  if (block.size < 4 || file[end] !== 0) {
    return undefined
  }
  // The entries are followed by the offsets of restart points and their number.
  const entriesEnd = end - 4 - view.getUint32(end - 4, true) * 4
  const reader = new VarintReader(file, block.offset, entriesEnd)
  const handles: Handle[] = []
  while (reader.position < entriesEnd) {
    reader.varint()
    const keyBytes = reader.varint()
    reader.varint()
    reader.position += keyBytes ?? 0
    const handle = reader.handle()
    if (keyBytes === undefined || handle === undefined) {
      return undefined
    }
    handles.push(handle)
  }
  return handles
}
