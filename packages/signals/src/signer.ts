import type { PrivateKey } from '@libp2p/interface'
import { claimedSigner, createOpener, createSealer } from '@murmuration/identity'
import type { Clock } from '@murmuration/interface'
import { messageBytesMax } from './defaults.ts'

/** A batch whose signature holds. */
export interface OpenedEnvelope {
  /** PeerId (text) of the author. */
  readonly signer: string
  readonly payload: Uint8Array
  readonly sequence: number
  /** Wall-clock time of the author, in milliseconds. */
  readonly time: number
}

/** The first signal of a batch, under the number that its author gave it. */
export interface SignedStatement {
  /** PeerId (text) of the author. */
  readonly signer: string
  /** Channel and process start; sequences are counted in each. */
  readonly stream: string
  readonly sequence: number
  /** The signal. A batch that is sent again may be cut differently, so batches are not compared. */
  readonly bytes: Uint8Array
  /** The envelope. */
  readonly signed: Uint8Array
}

/**
 * Signs what this peer sends and checks what others sent. A signature must hold for signals only
 * (its own domain); cluster and topic stand inside of the payload.
 */
export interface SignalSigner {
  seal(payload: Uint8Array, sequence: number): Uint8Array | Promise<Uint8Array>
  /** Throws `InvalidSignatureError` or `MalformedMessageError`. */
  open(bytes: Uint8Array): OpenedEnvelope | Promise<OpenedEnvelope>
  /**
   * PeerId (text) of whom an envelope names as its author, which nothing proves. Undefined: it cannot be
   * read, or is not told. What is refused for its author then costs no verification.
   */
  claimedBy?(bytes: Uint8Array): string | undefined
  /** Told what an author has signed under which number, each time a batch is opened. */
  noted?(statement: SignedStatement): void
}

/** What {@link createSignalSigner} needs. */
export interface SignalSignerInit {
  /** An Ed25519 key: the one of the peer. */
  readonly privateKey: PrivateKey
  readonly clock: Pick<Clock, 'now'>
}

const domain = 'murmuration-signals-1'

/** The {@link SignalSigner} over signed envelopes of `@murmuration/identity`. */
export function createSignalSigner(init: SignalSignerInit): SignalSigner {
  const sealer = createSealer(init)
  const opener = createOpener()
  return {
    seal: (payload, sequence) => sealer.seal({ domain, type: 'batch', sequence, payload }),
    open: (bytes) => opener.open(bytes, { domain, bytesMax: messageBytesMax }),
    claimedBy: claimedSigner
  }
}
