import type { PeerId, PrivateKey, PublicKey } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import type { Role } from '@murmuration/interface'
import {
  checkCertificate,
  signDelegateCertificate,
  signPeerCertificate
} from './core/certificate.ts'
import type { CertificateInit, VerifiedCertificate } from './core/certificate.ts'
import { isSelfCertifyingFor } from './core/agent-id.ts'
import { peerOfPublicKey, publicKeyOfPeer } from './core/peer-name.ts'
import { createSigner, createVerifier } from './signing.ts'

/** A key by its name: the PeerId as text or object, or the public key itself; Ed25519 only. */
export type KeyName = string | PeerId | PublicKey

/** The PeerId (text) of a key. Throws `InvalidParametersError` unless it is Ed25519. */
export function peerOf(key: KeyName): string {
  const text = typeof key === 'string' || !('raw' in key) ? key.toString() : textOfPublicKey(key)
  if (publicKeyOfPeer(text) === undefined) {
    throw new InvalidParametersError('the PeerId of an Ed25519 key is needed')
  }
  return text
}

function textOfPublicKey(key: PublicKey): string {
  if (key.type !== 'Ed25519') {
    throw new InvalidParametersError(`an Ed25519 key is needed, not ${key.type}`)
  }
  return peerOfPublicKey(key.raw)
}

/**
 * Whether the agent `id` belongs to the key of `owner`: its key part is exactly the PeerId (text) of
 * that Ed25519 key. Who can sign as that peer speaks for the agent, and nobody has to be asked. Make
 * such an id with `agentId(type, peerId)`. False for anything that is no agent id.
 */
export function isSelfCertifying(id: string, owner: KeyName): boolean {
  return isSelfCertifyingFor(id, typeof owner === 'string' ? owner : peerOf(owner))
}

export interface IssueInit extends Omit<CertificateInit, 'peer'> {
  /** The peer that will show it. */
  readonly peer: KeyName
  /** The certificate of the signing key, from {@link issueDelegate}, if it is not the root key. */
  readonly delegate?: Uint8Array
}

/**
 * Signs a certificate that lets a peer into a cluster. `notBefore` and `notAfter` are milliseconds
 * since 1970, both included; `serial` is at most 64 characters; keep the lifetime short (24 hours or
 * less) where revocation must reach peers that hear of nothing else.
 *
 * Throws `InvalidParametersError`.
 */
export async function issueCertificate(key: PrivateKey, init: IssueInit): Promise<Uint8Array> {
  const { delegate, ...rest } = init
  const certificate = { ...rest, peer: peerOf(init.peer) }
  return await signPeerCertificate(createSigner(key), certificate, delegate)
}

export interface IssueDelegateInit extends Omit<CertificateInit, 'peer'> {
  /** The key that may then sign certificates of peers. */
  readonly delegate: KeyName
  /** The roles that it may give. */
  readonly roles: readonly Role[]
}

/**
 * Signs the certificate of a delegate, which may then issue certificates with these roles; it cannot
 * make further delegates, nor enter the cluster with it. So the root key can stay offline.
 *
 * Throws `InvalidParametersError`.
 */
export async function issueDelegate(
  rootKey: PrivateKey,
  init: IssueDelegateInit
): Promise<Uint8Array> {
  const { delegate, ...rest } = init
  return await signDelegateCertificate(createSigner(rootKey), { ...rest, peer: peerOf(delegate) })
}

export interface VerifyOptions {
  readonly cluster: string
  /** The peer that showed the certificate, proven elsewhere. */
  readonly peer: KeyName
  /** The current root key, and the next one during a rotation. */
  readonly roots: readonly KeyName[]
  /** Milliseconds since 1970. */
  readonly now: number
}

const verifier = createVerifier()

/** Checks a certificate in full; throws `InvalidCertificateError` with a `reason`. */
export async function verifyCertificate(
  bytes: Uint8Array,
  options: VerifyOptions
): Promise<VerifiedCertificate> {
  const { cluster, now } = options
  const roots = options.roots.map(peerOf)
  const expectation = { cluster, peer: peerOf(options.peer), roots, now }
  return await checkCertificate(bytes, expectation, verifier.verify)
}
