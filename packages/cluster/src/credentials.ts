import type { PrivateKey } from '@libp2p/interface'
import {
  credentialsFromCertificate,
  credentialsFromSecret,
  openCredentials
} from '@murmuration/identity'
import type { Credentials } from '@murmuration/identity'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import type { Settings } from './settings.ts'

/** What this peer shows to get in, by the mode that its options choose. */
export async function credentialsOf(
  settings: Settings,
  privateKey: PrivateKey
): Promise<Credentials> {
  const { name: cluster, secret, identity, role } = settings
  if (secret !== undefined) {
    return credentialsFromSecret({
      cluster,
      secret: typeof secret === 'string' ? secret : bothOf(secret),
      privateKey,
      roles: [role]
    })
  }
  if (identity !== undefined) {
    const keys =
      identity.rootPublicKey instanceof Uint8Array
        ? [identity.rootPublicKey]
        : identity.rootPublicKey
    const rootPublicKey = keys.map((raw) => peerIdFromPublicKey(publicKeyFromRaw(raw)).toString())
    return credentialsFromCertificate({
      cluster,
      rootPublicKey,
      certificate: identity.certificate,
      privateKey
    })
  }
  return openCredentials({ cluster, privateKey, roles: [role] })
}

function bothOf(secret: {
  readonly current: string
  readonly next?: string
}): string | { current: string; next: string } {
  return secret.next === undefined ? secret.current : { current: secret.current, next: secret.next }
}
