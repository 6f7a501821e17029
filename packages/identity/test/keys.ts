import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerOf } from '../src/index.ts'

/** A key that is the same in every run. */
export async function keyOf(seed: number): Promise<Ed25519PrivateKey> {
  return await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(seed))
}

/** The PeerId (text) of {@link keyOf}. */
export async function peerOfSeed(seed: number): Promise<string> {
  return peerOf((await keyOf(seed)).publicKey)
}
