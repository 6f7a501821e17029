import { bytes, integer, list, message, object, optional, text } from '@murmuration/codec'
import type { Message, Shape } from '@murmuration/codec'
import { digestBytes, digestToText } from './digest.ts'

const count: Shape<number> = integer({ min: 0 })
const idText: Shape<string> = text({ max: 512 })
const digestShape: Shape<string> = text({ max: 32 })

/** How much of the first document was received when the stream before broke. */
export interface Resumption {
  /** Of the whole encoded copy: another one begins anew. */
  readonly digest: string
  readonly at: number
}

/** Asks for a stream of copies. */
export interface CopiesRequest {
  /** In the order in which they come; after a broken stream those after the cursor. */
  readonly ids: readonly string[]
  readonly resume?: Resumption
}

/** A piece of a copy that is too large for one item. */
export interface Piece {
  readonly total: number
  /** Of the whole. */
  readonly digest: string
  readonly at: number
  /** Of this piece. */
  readonly check: string
  readonly bytes: Uint8Array
}

/** Copies of the next documents, or a piece of the next one. */
export interface CopiesItem {
  /** Counts up from 0, so that a lost or doubled item is noticed. */
  readonly number: number
  readonly states: readonly Uint8Array[]
  /** Ids that are not held (any more). */
  readonly absent: readonly string[]
  readonly piece?: Piece
}

export const copiesRequest: Message<CopiesRequest> = message({
  ids: list(idText),
  resume: optional(object({ digest: digestShape, at: count }))
})
export const copiesItem: Message<CopiesItem> = message({
  number: count,
  states: list(bytes()),
  absent: list(idText),
  piece: optional(
    object({ total: count, digest: digestShape, at: count, check: digestShape, bytes: bytes() })
  )
})

/** Detects accidents, as all digests of this package. */
export function checkOf(part: Uint8Array): string {
  return digestToText(digestBytes(part))
}

/** Asks for copies that are small. */
export interface FetchRequest {
  readonly ids: readonly string[]
  /** Digests of the copies that the asker has, one for each id: equal ones are not sent. */
  readonly known?: readonly string[]
}
export interface FetchReply {
  readonly states: readonly Uint8Array[]
  /** Ids that did not fit: they come as a stream. */
  readonly rest: readonly string[]
  /** Ids that are not held (any more). */
  readonly absent: readonly string[]
}
export const fetchRequest: Message<FetchRequest> = message({
  ids: list(idText),
  known: optional(list(text({ max: 64 })))
})
export const fetchReply: Message<FetchReply> = message({
  states: list(bytes()),
  rest: list(idText),
  absent: list(idText)
})
