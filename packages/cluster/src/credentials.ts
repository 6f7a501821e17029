import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import {
  credentialsFromCertificate,
  credentialsFromSecret,
  openCredentials,
  peerOf,
  readCertificate,
  readInvitation,
  storeCertificates,
  storedCertificates
} from '@murmuration/identity'
import type { CertificateCredentials, Credentials } from '@murmuration/identity'
import { InvalidParametersError } from '@murmuration/interface'
import type { Role, Store } from '@murmuration/interface'
import type { CertificateIdentity } from './index.ts'
import { redeem } from './redeem.ts'
import { keepRoots, keptRoots } from './roots.ts'
import type { Settings } from './settings.ts'

/** What this peer shows to get in, by the mode that its options choose. */
export async function credentialsOf(
  settings: Settings,
  privateKey: PrivateKey,
  store: Store
): Promise<Credentials> {
  const { name: cluster, secret, identity, invitation, role, operator } = settings
  // Whoever has the secret could make itself a member; this one only acts for an operator.
  const roles: readonly Role[] = operator === true ? [role, 'member'] : [role]
  if (secret !== undefined) {
    return credentialsFromSecret({
      cluster,
      secret: typeof secret === 'string' ? secret : bothOf(secret),
      privateKey,
      roles
    })
  }
  if (identity !== undefined) {
    const given = rootsOf(identity.rootPublicKey)
    const kept = await keptRoots(store, given)
    if (kept === undefined) await keepRoots(store, given, { given })
    return await fromCertificate(settings, privateKey, kept ?? given, [
      await storedCertificates(store),
      [identity.certificate]
    ])
  }
  if (invitation !== undefined) return await fromInvitation(settings, privateKey, store, invitation)
  return openCredentials({ cluster, privateKey, roles })
}

/** PeerIds (text) of root keys that are given raw. */
export function rootsOf(keys: CertificateIdentity['rootPublicKey']): readonly string[] {
  const list = keys instanceof Uint8Array ? [keys] : keys
  return list.map((raw) => {
    try {
      return peerOf(publicKeyFromRaw(raw))
    } catch (cause) {
      throw new InvalidParametersError('a root key is 32 raw bytes of Ed25519', { cause })
    }
  })
}

/** With the certificates of the newest root key: those that were renewed, or those of the options. */
async function fromCertificate(
  { name: cluster, role }: Settings,
  privateKey: PrivateKey,
  rootPublicKey: readonly string[],
  candidates: readonly (readonly Uint8Array[])[]
): Promise<CertificateCredentials> {
  let best: { readonly credentials: CertificateCredentials; readonly rank: number } | undefined
  let failure: unknown
  for (const certificate of candidates) {
    const [first] = certificate
    if (first === undefined) continue
    try {
      const { roles } = readCertificate(first)
      if (!roles.includes(role)) {
        throw new InvalidParametersError(
          `the certificate is for the role ${roles.join(', ')}, not ${role}`
        )
      }
      // At most two.
      // oxlint-disable-next-line no-await-in-loop
      const credentials = await credentialsFromCertificate({
        cluster,
        rootPublicKey,
        certificate,
        privateKey
      })
      // oxlint-disable-next-line no-await-in-loop
      const rank = await credentials.rankOf(certificate)
      if (best === undefined || rank > best.rank) best = { credentials, rank }
    } catch (error) {
      failure = error
    }
  }
  if (best === undefined) throw failure
  return best.credentials
}

/** With what an earlier start got for it, else by redeeming it now. */
async function fromInvitation(
  settings: Settings,
  privateKey: PrivateKey,
  store: Store,
  line: string
): Promise<CertificateCredentials> {
  const invited = await readInvitation(line)
  const kept = await keptRoots(store, invited.roots)
  if (kept !== undefined) {
    try {
      return await fromCertificate(settings, privateKey, kept, [await storedCertificates(store)])
    } catch (error) {
      // Expired while this peer was away: the same peer may redeem it again while it holds.
      if (error instanceof InvalidParametersError) throw error
    }
  }
  const { roots, certificate } = await redeem(line, privateKey)
  const credentials = await fromCertificate(settings, privateKey, roots, [[certificate]])
  await keepRoots(store, roots, { given: roots })
  await storeCertificates(store, certificate)
  return credentials
}

function bothOf(secret: {
  readonly current: string
  readonly next?: string
}): string | { current: string; next: string } {
  return secret.next === undefined ? secret.current : { current: secret.current, next: secret.next }
}
