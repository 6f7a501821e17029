import { boolean, bytes, integer, list, message, object, optional, text } from '@murmuration/codec'
import type { Infer, Message } from '@murmuration/codec'
import { CorruptDataError } from '@murmuration/interface'
import { messageBytesMax, rangesMax, signalBytesMax } from '../defaults.ts'

const peer = text({ max: 256 })
const sequence = integer({ min: 0, max: 2 ** 52 })

/** A run of sequences on the wire and on disk. */
export const rangeShape = object({ from: sequence, to: sequence })

/** A stream on the wire and on disk. */
export const streamShape = object({
  author: peer,
  boot: integer({ min: 0 }),
  channel: text({ max: 1024 })
})

/** One signed batch of the log, as its author sent it. */
export type EntryRecord = Infer<typeof EntryRecord>
export const EntryRecord = message(
  {
    stream: streamShape,
    first: sequence,
    count: sequence,
    /** The author's clock. */
    time: integer({ min: 0 }),
    /** This peer's clock. */
    loggedAt: integer({ min: 0 }),
    durable: boolean(),
    /** Whether this log is one of those that were counted when the batch was accepted. */
    copy: boolean(),
    original: bytes({ max: messageBytesMax })
  },
  { bytesMax: messageBytesMax + 4096 }
)

/** What was seen of a stream. */
export type MarkRecord = Infer<typeof MarkRecord>
export const MarkRecord = message({
  high: sequence,
  gaps: list(rangeShape, { max: rangesMax }),
  until: optional(integer({ min: 0 }))
})

/** A durable subscription, as members know it. */
export type Registration = Infer<typeof Registration>
export const Registration = message({
  /** `group/<name>`, or `<peer>/<name>`. */
  id: text({ max: 512 }),
  /** Who consumes. */
  peer,
  pattern: text({ max: 256 }),
  /** The higher one of the same id and peer holds. */
  version: integer({ min: 0 }),
  removed: boolean()
})

/** Which sequences of a stream a subscription has handled. */
export const ProgressRecord = message({
  handled: list(rangeShape, { max: rangesMax }),
  /** When that was last added to. */
  at: optional(integer({ min: 0 }))
})

/** Ids that a subscription has handled, each with its time. */
export const IdsRecord = message({
  ids: list(object({ id: text({ max: 4400 }), at: integer({ min: 0 }) }), { max: 65_536 })
})

/** A signal that a subscription did not handle. */
export type DeadLetterRecord = Infer<typeof DeadLetterRecord>
export const DeadLetterRecord = message({
  subscription: text({ max: 512 }),
  author: peer,
  reason: text({ max: 1024 }),
  attempts: integer({ min: 0 }),
  time: integer({ min: 0 }),
  channel: text({ max: 1024 }),
  signal: bytes({ max: signalBytesMax })
})

/** The newest signal of one type and subject. */
export type SnapshotRecord = Infer<typeof SnapshotRecord>
export const SnapshotRecord = message({
  author: peer,
  boot: integer({ min: 0 }),
  sequence,
  time: integer({ min: 0 }),
  loggedAt: integer({ min: 0 }),
  number: integer({ min: 0 }),
  /** Place in its entry. */
  index: optional(integer({ min: 0 })),
  channel: optional(text({ max: 1024 })),
  signal: bytes({ max: signalBytesMax })
})

/** A number of which each start takes the next. */
export const BootRecord = message({ boot: integer({ min: 0 }), number: optional(sequence) })

const checksumBytes = 4

/**
 * FNV-1a (Fowler, Noll, Vo) over 32 bits: each step is reversible, so that no change of a single byte
 * goes unseen. Against accidents only; authors are proven by signatures.
 */
function checksum(value: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of value) {
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  return hash >>> 0
}

/** A value for the store: damage to it shows when it is read. */
export function sealRecord(value: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(checksumBytes + value.length)
  new DataView(sealed.buffer).setUint32(0, checksum(value))
  sealed.set(value, checksumBytes)
  return sealed
}

/** Reads {@link sealRecord}; throws `CorruptDataError`. */
export function openRecord<T>(key: string, sealed: Uint8Array, shape: Message<T>): T {
  const value = sealed.subarray(checksumBytes)
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  if (sealed.length < checksumBytes || view.getUint32(0) !== checksum(value)) {
    throw new CorruptDataError(`the value under ${key} is damaged`)
  }
  try {
    return shape.decode(value)
  } catch (cause) {
    throw new CorruptDataError(`the value under ${key} cannot be read`, { cause })
  }
}
