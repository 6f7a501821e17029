import { bytes, encode, list, message, oneOf, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { MalformedMessageError } from '@murmuration/interface'
import { certificateBytesMax, certificatesMax, frameBytesMax } from '../defaults.ts'
import type { CertificateFault } from '../errors.ts'
import { formatVersion } from './signed-bytes.ts'

/** Bytes of the nonce that each side adds, so that no proof can be shown twice. */
export const nonceLength = 32

/**
 * One frame of the admission: a version byte, then this message. In order:
 *
 *     dialler  → hello    { nonce, certificates }
 *     listener → accept   { nonce, certificates, signature }   it has verified the dialler
 *     dialler  → confirm  { signature }                        it has verified the listener
 *
 * and `refuse { reason }` from either instead of its turn. So the listener shows nothing to a
 * stranger, and `dial()` resolves only when the other side has admitted us.
 */
const Frame = message(
  {
    kind: oneOf('hello', 'accept', 'confirm', 'refuse'),
    nonce: optional(bytes({ max: nonceLength })),
    certificates: optional(list(bytes({ max: certificateBytesMax }), { max: certificatesMax })),
    signature: optional(bytes({ max: 64 })),
    reason: optional(text({ max: 64 }))
  },
  { bytesMax: frameBytesMax }
)

type Frame = Infer<typeof Frame>

/** What one side shows of itself. */
export interface Introduction {
  readonly nonce: Uint8Array
  readonly certificates: readonly Uint8Array[]
}

export type AdmissionFrame =
  | ({ readonly kind: 'hello' } & Introduction)
  | ({ readonly kind: 'accept'; readonly signature: Uint8Array } & Introduction)
  | { readonly kind: 'confirm'; readonly signature: Uint8Array }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason | 'unknown' }

export function encodeFrame(frame: AdmissionFrame): Uint8Array {
  const encoded = Frame.encode(frame)
  const result = new Uint8Array(1 + encoded.length)
  result[0] = formatVersion
  result.set(encoded, 1)
  return result
}

/** Throws `MalformedMessageError`. */
export function decodeFrame(encoded: Uint8Array): AdmissionFrame {
  if (encoded[0] !== formatVersion) {
    throw new MalformedMessageError('admission frame of an unknown version')
  }
  const frame = Frame.decode(encoded.subarray(1))
  switch (frame.kind) {
    case 'hello':
      return { kind: 'hello', ...introduction(frame) }
    case 'accept':
      return { kind: 'accept', ...introduction(frame), signature: signature(frame) }
    case 'confirm':
      return { kind: 'confirm', signature: signature(frame) }
    case 'refuse':
      // Told by somebody who may be a stranger, and used in logs and metrics: only known words.
      return { kind: 'refuse', reason: knownReason(frame.reason) }
  }
}

/** Every reason that a refusal may give. */
export type RefusalReason = CertificateFault | 'bad-proof' | 'full'

const reasons: ReadonlySet<string | undefined> = new Set<RefusalReason>([
  'malformed',
  'bad-signature',
  'wrong-root',
  'wrong-issuer',
  'wrong-cluster',
  'wrong-peer',
  'not-yet-valid',
  'expired',
  'old-epoch',
  'revoked',
  'bad-proof',
  'full'
])

function knownReason(reason: string | undefined): RefusalReason | 'unknown' {
  return isKnownReason(reason) ? reason : 'unknown'
}

function isKnownReason(reason: string | undefined): reason is RefusalReason {
  return reasons.has(reason)
}

function introduction(frame: Frame): Introduction {
  const { nonce, certificates } = frame
  if (nonce?.length !== nonceLength || certificates === undefined || certificates.length === 0) {
    throw new MalformedMessageError('admission frame without nonce or certificates')
  }
  return { nonce, certificates }
}

function signature(frame: Frame): Uint8Array {
  if (frame.signature?.length !== 64) {
    throw new MalformedMessageError('admission frame without signature')
  }
  return frame.signature
}

/** What both sides sign, each under its own role: both peers, both nonces, all certificates. */
export function transcript(
  dialler: Introduction & { readonly peer: string },
  listener: Introduction & { readonly peer: string }
): Uint8Array {
  return encode([
    dialler.peer,
    listener.peer,
    dialler.nonce,
    listener.nonce,
    dialler.certificates,
    listener.certificates
  ])
}
