import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'

/**
 * An Ed25519 PeerId is its public key: identity multihash (00 24) of the protobuf
 * `{ Type: Ed25519, Data: key }` (08 01 12 20), in base58btc. So both directions are pure.
 */
const prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const publicKeyLength = 32
/** Six bytes of prefix and a key give 52 characters; more cannot be one. */
const peerTextMax = 52

/** The PeerId (text) of a raw Ed25519 public key (32 bytes). */
export function peerOfPublicKey(publicKey: Uint8Array): string {
  const bytes = new Uint8Array(prefix.length + publicKeyLength)
  bytes.set(prefix)
  bytes.set(publicKey.subarray(0, publicKeyLength), prefix.length)
  return toString(bytes, 'base58btc')
}

/** The raw Ed25519 public key inside a PeerId (text); undefined if it is not such a PeerId. */
export function publicKeyOfPeer(peer: string): Uint8Array | undefined {
  if (typeof peer !== 'string' || peer.length > peerTextMax) {
    return undefined
  }
  let bytes: Uint8Array
  try {
    bytes = fromString(peer, 'base58btc')
  } catch {
    // Not base58, so it names no key.
    return undefined
  }
  if (bytes.length !== prefix.length + publicKeyLength) {
    return undefined
  }
  if (!prefix.every((byte, index) => bytes[index] === byte)) {
    return undefined
  }
  return bytes.slice(prefix.length)
}
