/**
 * What is signed, and how a signature travels. Each use signs under its own context, so that no
 * signature made for one purpose can be shown for another:
 *
 *     u16 length, context, u16 length, domain, u32 length, body
 *
 * All lengths are big-endian; the first byte is 0, so that no message that libp2p signs with the
 * same key (these begin with text or a small varint) can be read as one of ours. On the wire stands
 * `version (1 byte), signature (64 bytes), body`: there is nothing in it that can be changed without
 * breaking the signature.
 */
export const formatVersion = 1

export const signatureLength = 64

const encoder = new TextEncoder()

export type SigningContext =
  | 'murmuration-envelope-1'
  | 'murmuration-certificate-1'
  | 'murmuration-admission-1'
  | 'murmuration-redemption-1'

/** The bytes over which a signature is made. */
export function bytesToSign(
  context: SigningContext,
  domain: string,
  body: Uint8Array
): Uint8Array<ArrayBuffer> {
  const contextBytes = encoder.encode(context)
  const domainBytes = encoder.encode(domain)
  const bytes = new Uint8Array(8 + contextBytes.length + domainBytes.length + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, contextBytes.length)
  bytes.set(contextBytes, 2)
  let at = 2 + contextBytes.length
  view.setUint16(at, domainBytes.length)
  bytes.set(domainBytes, at + 2)
  at += 2 + domainBytes.length
  view.setUint32(at, body.length)
  bytes.set(body, at + 4)
  return bytes
}

export function joinSigned(signature: Uint8Array, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + signatureLength + body.length)
  bytes[0] = formatVersion
  bytes.set(signature, 1)
  bytes.set(body, 1 + signatureLength)
  return bytes
}

/** The parts of signed bytes; undefined if they are too short or of another version. */
export function splitSigned(
  bytes: Uint8Array
): { readonly signature: Uint8Array; readonly body: Uint8Array } | undefined {
  if (bytes.length <= 1 + signatureLength || bytes[0] !== formatVersion) {
    return undefined
  }
  return {
    signature: bytes.subarray(1, 1 + signatureLength),
    body: bytes.subarray(1 + signatureLength)
  }
}

/** Checks one Ed25519 signature; false for anything that does not hold, it never throws. */
export type VerifySignature = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
) => boolean | Promise<boolean>

/** Makes one Ed25519 signature. */
export type SignMessage = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** A key that can sign, with its names. */
export interface Signer {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** PeerId as text. */
  readonly peer: string
  readonly sign: SignMessage
}
