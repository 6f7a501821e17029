import {
  boolean,
  bytes,
  decode,
  encode,
  integer,
  list,
  message,
  oneOf,
  optional,
  text
} from '@murmuration/codec'
import type { Message } from '@murmuration/codec'
import type { Signal } from '@murmuration/interface'
import { MalformedMessageError } from '@murmuration/interface'
import {
  batchSignalsMax,
  certificateBytesMax,
  certificatesMax,
  clusterBytesMax,
  dataDepthMax,
  handedMax,
  messageBytesMax,
  signalBytesMax,
  signalItemsMax
} from '../defaults.ts'
import { checkSignal } from './event.ts'

const signalLimits = {
  bytesMax: signalBytesMax,
  depthMax: dataDepthMax + 1,
  itemsMax: signalItemsMax
}

/**
 * The binary format of a signal: canonical CBOR of its attributes. Throws `InvalidParametersError`
 * for `data` that the codec cannot carry, `MessageTooLargeError` above the limit.
 */
export function encodeSignal(signal: Signal): Uint8Array {
  return encode(signal, signalLimits)
}

/** Reads {@link encodeSignal}; throws `MalformedMessageError`. */
export function decodeSignal(frame: Uint8Array): Signal {
  const value = decode(frame, signalLimits)
  try {
    return checkSignal(value)
  } catch (cause) {
    throw new MalformedMessageError(cause instanceof Error ? cause.message : 'not a signal', {
      cause
    })
  }
}

/** What this peer has encoded itself, as others will read it: checked before. */
export function decodeOwnSignal(frame: Uint8Array): Signal {
  const value = decode(frame, signalLimits)
  // It was a signal when it was encoded.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.freeze(value) as Signal
}

/** Signals of one author on one channel, in their order; the payload of one signed envelope. */
export interface Batch {
  /** With `channel`, what the signature is good for. */
  readonly cluster: string
  /** The gossip topic, or the name that stands for one target peer. */
  readonly channel: string
  /** Process start of the author; sequences begin anew with each. */
  readonly boot: number
  /** Sequence of the first signal; the others follow without a gap. */
  readonly first: number
  /** Sequence of the first signal that its author would still repeat for late subscribers. */
  readonly since: number
  /** Makes the bytes of a repetition differ, since gossip drops bytes that it has seen. */
  readonly attempt: number
  /** Whether the author promises to deliver them at least once. */
  readonly durable?: boolean | undefined
  /** Who gets it straight from its author, as of {@link shortName}: nobody need send it on to them. */
  readonly handed?: readonly string[] | undefined
  /** Of the author, for those that are not connected to it and have it in no view. */
  readonly certificates?: readonly Uint8Array[] | undefined
  /** Each as of {@link encodeSignal}, at least one. */
  readonly signals: readonly Uint8Array[]
}

export const Batch: Message<Batch> = message(
  {
    cluster: text({ max: clusterBytesMax }),
    channel: text({ max: 1024 }),
    boot: integer({ min: 0 }),
    first: integer({ min: 1, max: 2 ** 52 }),
    since: integer({ min: 1, max: 2 ** 52 }),
    attempt: integer({ min: 0 }),
    durable: optional(boolean()),
    handed: optional(list(text({ max: 16 }), { max: handedMax })),
    certificates: optional(list(bytes({ max: certificateBytesMax }), { max: certificatesMax })),
    signals: list(bytes({ max: signalBytesMax }), { max: batchSignalsMax })
  },
  // Each signal is decoded once more, which copies what is kept of it.
  { bytesMax: messageBytesMax, views: true }
)

/** The end of a PeerId: two peers of a cluster share one by a chance of 1 in 10 ^ 14. */
export function shortName(peer: string): string {
  return peer.slice(-8)
}

/** What became of one signal at the peer it was sent to. */
export type Outcome = 'delivered' | 'logged' | 'no-subscription' | 'queue-full' | 'duplicate'

/** The answer to a targeted batch: one outcome per signal. */
export interface Delivery {
  readonly outcomes: readonly Outcome[]
}

export const Delivery: Message<Delivery> = message({
  outcomes: list(oneOf('delivered', 'logged', 'no-subscription', 'queue-full', 'duplicate'), {
    max: batchSignalsMax
  })
})
