/**
 * The frames on a stream. Each is `length` (varint), then a body of that many bytes: a type byte,
 * numbers (varints), texts (length and UTF-8) and at last a payload that takes what is left.
 *
 * Types that a reader does not know, and bytes after the known fields of a frame without payload,
 * are ignored: a later version may add them. Number 0 is never given a meaning: a writer that takes
 * back a queued request overwrites its type with it.
 */
import { MalformedMessageError } from '@murmuration/interface'
import { fixed } from '../defaults.ts'

export type Frame =
  /** First frame in either direction. `messageBytesMax` is what its sender accepts. */
  | { readonly type: 'hello'; readonly version: number; readonly messageBytesMax: number }
  /** From now on `index` means the method `name` in requests on this stream. */
  | { readonly type: 'name'; readonly index: number; readonly name: string }
  | RequestFrame
  /** A request whose answer is a stream; the credit says how much may be sent at first. */
  | StreamRequestFrame
  | { readonly type: 'reply'; readonly id: number; readonly payload: Uint8Array }
  | FailureFrame
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'item'; readonly id: number; readonly payload: Uint8Array }
  | { readonly type: 'end'; readonly id: number }
  | CreditFrame
  /** The stream is of no use, for the reason told; its sender did nothing of what was asked. */
  | { readonly type: 'refuse'; readonly version: number; readonly message: string }
  /** To a caller: the connection will be closed, so make no new call on this stream. */
  | { readonly type: 'leave' }

export interface RequestFrame {
  readonly type: 'request'
  readonly id: number
  /** Milliseconds the caller still waits; `fixed.timeoutMsMax` and more mean for ever. */
  readonly remainingMs: number
  readonly method: number
  readonly payload: Uint8Array
}

export interface StreamRequestFrame {
  readonly type: 'stream'
  readonly id: number
  readonly remainingMs: number
  readonly method: number
  readonly items: number
  readonly bytes: number
  readonly payload: Uint8Array
}

export interface CreditFrame {
  readonly type: 'credit'
  readonly id: number
  readonly items: number
  readonly bytes: number
}

export interface FailureFrame {
  readonly type: 'failure'
  readonly id: number
  readonly name: string
  readonly code: string
  readonly message: string
  /** Where the error arose, if that is not the peer which sends this; else empty. */
  readonly peer: string
  readonly retryable: boolean
  readonly overloaded: boolean
  readonly outcomeUnknown: boolean
}

/** Type bytes. They are part of the protocol: never renumber. */
const types = {
  void: 0,
  hello: 1,
  name: 2,
  request: 3,
  stream: 4,
  reply: 5,
  failure: 6,
  cancel: 7,
  item: 8,
  end: 9,
  credit: 10,
  refuse: 11,
  leave: 12
} as const

const nothing = new Uint8Array(0)
const noTexts: readonly Uint8Array[] = []
const toText = new TextDecoder('utf-8', { fatal: true })
const toBytes = new TextEncoder()

/** A frame taken apart into what all frames are made of. */
export interface FrameLayout {
  readonly type: number
  readonly numbers: readonly number[]
  readonly texts: readonly Uint8Array[]
  readonly payload: Uint8Array
  /** Bytes of the body. */
  readonly size: number
}

function layout(
  type: number,
  numbers: readonly number[],
  payload: Uint8Array = nothing,
  texts: readonly Uint8Array[] = noTexts
): FrameLayout {
  let size = 1 + payload.length
  for (const number of numbers) size += varintSize(number)
  for (const text of texts) size += varintSize(text.length) + text.length
  return { type, numbers, texts, payload, size }
}

/** Takes `frame` apart; `writeFrame` puts it into a buffer. */
export function layoutOf(frame: Frame): FrameLayout {
  switch (frame.type) {
    case 'request':
      return layout(types.request, [frame.id, frame.remainingMs, frame.method], frame.payload)
    case 'reply':
      return layout(types.reply, [frame.id], frame.payload)
    case 'item':
      return layout(types.item, [frame.id], frame.payload)
    case 'stream':
      return layout(
        types.stream,
        [frame.id, frame.remainingMs, frame.method, frame.items, frame.bytes],
        frame.payload
      )
    case 'credit':
      return layout(types.credit, [frame.id, frame.items, frame.bytes])
    case 'cancel':
      return layout(types.cancel, [frame.id])
    case 'end':
      return layout(types.end, [frame.id])
    case 'leave':
      return layout(types.leave, [])
    case 'hello':
      return layout(types.hello, [frame.version, frame.messageBytesMax])
    case 'name':
      return layout(types.name, [frame.index], nothing, [toBytes.encode(frame.name)])
    case 'refuse':
      return layout(types.refuse, [frame.version], nothing, [toBytes.encode(frame.message)])
    case 'failure':
      return layout(types.failure, [frame.id, flagsOf(frame)], nothing, [
        toBytes.encode(frame.name),
        toBytes.encode(frame.code),
        toBytes.encode(frame.message),
        toBytes.encode(frame.peer)
      ])
  }
}

function flagsOf(frame: FailureFrame): number {
  return (frame.retryable ? 1 : 0) | (frame.overloaded ? 2 : 0) | (frame.outcomeUnknown ? 4 : 0)
}

/** Bytes that `writeFrame` will write. */
export function frameSize(parts: FrameLayout): number {
  return varintSize(parts.size) + parts.size
}

/** Writes a frame at `at` and returns the offset after it. The caller has made room. */
export function writeFrame(parts: FrameLayout, target: Uint8Array, at: number): number {
  let offset = writeVarint(parts.size, target, at)
  target[offset++] = parts.type
  for (const number of parts.numbers) offset = writeVarint(number, target, offset)
  for (const text of parts.texts) {
    offset = writeVarint(text.length, target, offset)
    target.set(text, offset)
    offset += text.length
  }
  if (parts.payload.length > 0) target.set(parts.payload, offset)
  return offset + parts.payload.length
}

/** Makes the frame that begins at `at` one that every reader ignores. */
export function voidFrame(target: Uint8Array, at: number): void {
  let offset = at
  while ((target[offset] ?? 0) >= 0x80) offset++
  target[offset + 1] = types.void
}

/** One frame as bytes of its own, for tests and for frames outside a queue. */
export function encodeFrame(frame: Frame): Uint8Array {
  const parts = layoutOf(frame)
  const bytes = new Uint8Array(frameSize(parts))
  writeFrame(parts, bytes, 0)
  return bytes
}

/**
 * Reads the body of a frame, which is `bytes` from `start` to `end`. Payloads are copies, so that
 * they neither change with the buffer nor keep it alive.
 *
 * @returns `undefined` for a type that is not known, which is to be ignored.
 * @throws MalformedMessageError if a known frame does not decode.
 */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): Frame | undefined {
  if (end <= start) throw new MalformedMessageError('A frame is empty')
  const body = new Body(bytes, start + 1, end)
  switch (bytes[start] ?? types.void) {
    case types.request:
      return {
        type: 'request',
        id: body.number(),
        remainingMs: body.number(),
        method: body.number(),
        payload: body.rest()
      }
    case types.reply:
      return { type: 'reply', id: body.number(), payload: body.rest() }
    case types.item:
      return { type: 'item', id: body.number(), payload: body.rest() }
    case types.stream:
      return {
        type: 'stream',
        id: body.number(),
        remainingMs: body.number(),
        method: body.number(),
        items: body.number(),
        bytes: body.number(),
        payload: body.rest()
      }
    case types.credit:
      return { type: 'credit', id: body.number(), items: body.number(), bytes: body.number() }
    case types.cancel:
      return { type: 'cancel', id: body.number() }
    case types.end:
      return { type: 'end', id: body.number() }
    case types.hello:
      return { type: 'hello', version: body.number(), messageBytesMax: body.number() }
    case types.name:
      return { type: 'name', index: body.number(), name: body.text(fixed.methodNameBytesMax) }
    case types.refuse:
      return { type: 'refuse', version: body.number(), message: body.text(messageBytesMax) }
    case types.leave:
      return { type: 'leave' }
    case types.failure:
      return decodeFailure(body)
    default:
      return undefined
  }
}

/** A character takes at most three bytes per UTF-16 unit. */
const messageBytesMax = 3 * fixed.errorMessageMax
const wordBytesMax = 3 * fixed.errorWordMax

function decodeFailure(body: Body): FailureFrame {
  const id = body.number()
  const flags = body.number()
  return {
    type: 'failure',
    id,
    name: body.text(wordBytesMax),
    code: body.text(wordBytesMax),
    message: body.text(messageBytesMax),
    peer: body.text(wordBytesMax),
    retryable: (flags & 1) !== 0,
    overloaded: (flags & 2) !== 0,
    outcomeUnknown: (flags & 4) !== 0
  }
}

/** Reads the fields of one frame in order. */
class Body {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      if (this.#at >= this.#end) throw new MalformedMessageError('A frame ends inside a number')
      const byte = this.#bytes[this.#at++] ?? 0
      value += (byte & 0x7f) * scale
      if (value > Number.MAX_SAFE_INTEGER) {
        throw new MalformedMessageError('A number in a frame is too large')
      }
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }

  text(bytesMax: number): string {
    const length = this.number()
    if (length > bytesMax) throw new MalformedMessageError('A text in a frame is too long')
    if (length > this.#end - this.#at) {
      throw new MalformedMessageError('A frame ends inside a text')
    }
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    try {
      return toText.decode(bytes)
    } catch (cause) {
      throw new MalformedMessageError('A text in a frame is not UTF-8', { cause })
    }
  }

  rest(): Uint8Array {
    return this.#bytes.slice(this.#at, this.#end)
  }
}

/** Bytes that `value` takes as a varint: seven bits per byte, least significant first. */
function varintSize(value: number): number {
  let size = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Writes `value` at `at` and returns the offset after it. */
function writeVarint(value: number, target: Uint8Array, at: number): number {
  let offset = at
  let rest = value
  while (rest >= 0x80) {
    // Not `rest & 0x7f`: numbers may be larger than 32 bits.
    target[offset++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  target[offset++] = rest
  return offset
}
