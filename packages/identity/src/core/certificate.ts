import { bytes, integer, list, message, oneOf, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { InvalidParametersError } from '@murmuration/interface'
import type { Role } from '@murmuration/interface'
import { certificateBytesMax, clusterBytesMax, rootsMax, serialMax } from '../defaults.ts'
import { InvalidCertificateError } from '../errors.ts'
import type { CertificateFault } from '../errors.ts'
import { peerOfPublicKey, publicKeyOfPeer } from './peer-name.ts'
import { bytesToSign, joinSigned, splitSigned } from './signed-bytes.ts'
import type { Signer, VerifySignature } from './signed-bytes.ts'

/** What a root key or its delegate says of a peer. */
export interface Certificate {
  readonly cluster: string
  /** PeerId as text. */
  readonly peer: string
  /** Sorted, each once. */
  readonly roles: readonly Role[]
  /** Milliseconds since 1970: the first moment in which it holds. */
  readonly notBefore: number
  /** Milliseconds since 1970: the last moment in which it holds. */
  readonly notAfter: number
  readonly serial: string
  /** Certificates of a lower epoch than a peer asks for are refused. */
  readonly epoch: number
}

/** A certificate whose signatures were checked. */
export interface VerifiedCertificate extends Certificate {
  /** The root key (PeerId as text) under which it holds. */
  readonly root: string
  /** The delegate (PeerId as text) that signed it; undefined if the root key did. */
  readonly delegate: string | undefined
}

/**
 * The name under which one certificate is revoked: who signed it, and its serial. A serial alone is
 * chosen by whoever signs, so that a delegate could make it that of somebody else.
 */
export function certificateName(
  certificate: Pick<VerifiedCertificate, 'delegate' | 'root' | 'serial'>
): string {
  return `${certificate.delegate ?? certificate.root}/${certificate.serial}`
}

/** What goes into a certificate. */
export interface CertificateInit extends Omit<Certificate, 'epoch'> {
  /** @default 0 */
  readonly epoch?: number
}

/** What a certificate is checked against. */
export interface CertificateExpectation {
  readonly cluster: string
  /** The peer that showed it, PeerId as text. */
  readonly peer: string
  /** One or two root keys that are trusted, PeerIds as text. */
  readonly roots: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
}

export const roleNames = ['member', 'edge', 'guest'] as const
// Control characters, as in agent keys: a cluster name stands in logs and in derived keys.
// oxlint-disable-next-line no-control-regex
const controlCharacters = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const encoder = new TextEncoder()

/** `peer` speaks of a peer; `delegate` names a key that may sign certificates of kind `peer`. */
const Body = message(
  {
    kind: oneOf('peer', 'delegate'),
    issuer: bytes({ max: 32 }),
    cluster: text({ max: clusterBytesMax }),
    peer: text({ max: 52 }),
    roles: list(oneOf(...roleNames), { max: roleNames.length }),
    notBefore: integer({ min: 0 }),
    notAfter: integer({ min: 0 }),
    serial: text({ max: serialMax }),
    epoch: integer({ min: 0 })
  },
  { bytesMax: certificateBytesMax }
)
type Body = Infer<typeof Body>

/** A certificate as it travels: itself, and the delegate's where a delegate signed it. */
const Shown = message(
  {
    certificate: bytes({ max: certificateBytesMax }),
    delegate: optional(bytes({ max: certificateBytesMax }))
  },
  { bytesMax: certificateBytesMax }
)

/** The domain under which certificates are signed. */
const domain = 'certificate'

/** Throws `InvalidParametersError` unless the text can be a cluster's name. */
export function checkClusterName(cluster: string): void {
  const fits =
    typeof cluster === 'string' &&
    cluster.length > 0 &&
    cluster.isWellFormed() &&
    !controlCharacters.test(cluster) &&
    encoder.encode(cluster).length <= clusterBytesMax
  if (!fits) {
    throw new InvalidParametersError(
      `a cluster name has 1 to ${clusterBytesMax} UTF-8 bytes and no control characters`
    )
  }
}

/** Sorted, each role once; throws `InvalidParametersError` for none or an unknown one. */
export function canonicalRoles(roles: readonly Role[]): readonly Role[] {
  const unknown = roles.find((role) => !roleNames.includes(role))
  if (roles.length === 0 || unknown !== undefined) {
    throw new InvalidParametersError(`roles must be one or more of ${roleNames.join(', ')}`)
  }
  return [...new Set(roles)].toSorted()
}

/** Signs a certificate of a peer; `delegate` is the signer's own certificate if it is no root key. */
export async function signPeerCertificate(
  signer: Signer,
  init: CertificateInit,
  delegate?: Uint8Array
): Promise<Uint8Array> {
  const body = createBody('peer', signer, init)
  if (delegate === undefined) {
    return Shown.encode({ certificate: await signBody(signer, body) })
  }
  const parent = readDelegate(delegate)
  if (parent.peer !== signer.peer || parent.cluster !== body.cluster) {
    throw new InvalidParametersError('the delegate certificate is for another key or cluster')
  }
  if (body.roles.some((role) => !parent.roles.includes(role))) {
    throw new InvalidParametersError('the delegate may not give these roles')
  }
  return Shown.encode({ certificate: await signBody(signer, body), delegate })
}

/** Signs the certificate of a delegate: a key that may then sign certificates of peers. */
export async function signDelegateCertificate(
  signer: Signer,
  init: CertificateInit
): Promise<Uint8Array> {
  return await signBody(signer, createBody('delegate', signer, init))
}

/**
 * Checks a certificate in full. Order of the checks: form, issuer, signature, cluster, peer, roles,
 * time; so a reason is only told about bytes that a trusted key has signed.
 */
export async function checkCertificate(
  shown: Uint8Array,
  expectation: CertificateExpectation,
  verify: VerifySignature
): Promise<VerifiedCertificate> {
  const { roots, cluster, peer, now } = expectation
  if (roots.length === 0 || roots.length > rootsMax) {
    throw new InvalidParametersError(`1 to ${rootsMax} root keys are needed`)
  }
  const { certificate, delegate } = readShown(shown)
  const leaf = readBody(certificate, 'peer')
  const issuer = peerOfPublicKey(leaf.issuer)
  if (delegate === undefined) {
    requireThat(roots.includes(issuer), 'wrong-root', 'no trusted root key signed it')
    await checkSignature(certificate, leaf, verify)
  } else {
    const parent = readBody(delegate, 'delegate')
    const root = peerOfPublicKey(parent.issuer)
    requireThat(roots.includes(root), 'wrong-root', 'no trusted root key signed its delegate')
    await checkSignature(delegate, parent, verify)
    requireThat(parent.peer === issuer, 'wrong-issuer', 'another key than the delegate signed it')
    await checkSignature(certificate, leaf, verify)
    requireThat(parent.cluster === cluster, 'wrong-cluster', 'the delegate is of another cluster')
    const granted = leaf.roles.every((role) => parent.roles.includes(role))
    requireThat(granted, 'wrong-issuer', 'the delegate may not give these roles')
    checkTime(parent, now, "the delegate's certificate")
  }
  requireThat(leaf.cluster === cluster, 'wrong-cluster', 'it is for another cluster')
  requireThat(leaf.peer === peer, 'wrong-peer', 'it is for another peer')
  checkTime(leaf, now, 'it')
  const parent = delegate === undefined ? undefined : readBody(delegate, 'delegate')
  return {
    ...describe(leaf, parent),
    root: parent === undefined ? issuer : peerOfPublicKey(parent.issuer),
    delegate: parent === undefined ? undefined : issuer
  }
}

/** What a certificate says, unchecked: for showing it, never for deciding anything. */
export function readCertificate(shown: Uint8Array): Certificate {
  const { certificate, delegate } = readShown(shown)
  const parent = delegate === undefined ? undefined : readBody(delegate, 'delegate')
  return describe(readBody(certificate, 'peer'), parent)
}

/** It holds while its delegate's does, and is of no later epoch: else a delegate could outlive its own. */
function describe(leaf: Body, parent: Body = leaf): Certificate {
  const { cluster, peer, roles, serial } = leaf
  return {
    cluster,
    peer,
    roles,
    notBefore: Math.max(leaf.notBefore, parent.notBefore),
    notAfter: Math.min(leaf.notAfter, parent.notAfter),
    serial,
    epoch: Math.min(leaf.epoch, parent.epoch)
  }
}

function createBody(kind: Body['kind'], signer: Signer, init: CertificateInit): Body {
  checkClusterName(init.cluster)
  if (publicKeyOfPeer(init.peer) === undefined) {
    throw new InvalidParametersError('a certificate needs the PeerId (text) of an Ed25519 key')
  }
  if (!(init.notBefore <= init.notAfter)) {
    throw new InvalidParametersError('notBefore must not be after notAfter')
  }
  const { cluster, peer, notBefore, notAfter, serial } = init
  const roles = canonicalRoles(init.roles)
  const issuer = signer.publicKey
  return { kind, issuer, cluster, peer, roles, notBefore, notAfter, serial, epoch: init.epoch ?? 0 }
}

async function signBody(signer: Signer, body: Body): Promise<Uint8Array> {
  const encoded = Body.encode(body)
  const signature = await signer.sign(bytesToSign('murmuration-certificate-1', domain, encoded))
  return joinSigned(signature, encoded)
}

async function checkSignature(
  signed: Uint8Array,
  body: Body,
  verify: VerifySignature
): Promise<void> {
  const parts = splitSigned(signed)
  const holds =
    parts !== undefined &&
    (await verify(
      body.issuer,
      bytesToSign('murmuration-certificate-1', domain, parts.body),
      parts.signature
    ))
  requireThat(holds, 'bad-signature', 'its signature does not hold')
}

function checkTime(body: Body, now: number, what: string): void {
  requireThat(now >= body.notBefore, 'not-yet-valid', `${what} holds from ${date(body.notBefore)}`)
  requireThat(now <= body.notAfter, 'expired', `${what} expired at ${date(body.notAfter)}`)
}

function date(time: number): string {
  const value = new Date(time)
  return Number.isNaN(value.getTime()) ? String(time) : value.toISOString()
}

function readShown(shown: Uint8Array): Infer<typeof Shown> {
  try {
    return Shown.decode(shown)
  } catch (cause) {
    throw new InvalidCertificateError('malformed', 'the certificate cannot be read', { cause })
  }
}

function readBody(signed: Uint8Array, kind: Body['kind']): Body {
  const parts = splitSigned(signed)
  requireThat(parts !== undefined, 'malformed', 'it is too short or of an unknown version')
  let body: Body
  try {
    body = Body.decode(parts.body)
  } catch (cause) {
    throw new InvalidCertificateError('malformed', 'the certificate cannot be read', { cause })
  }
  requireThat(body.issuer.length === 32, 'malformed', 'its issuer is no Ed25519 key')
  requireThat(body.roles.length > 0, 'malformed', 'it gives no role')
  // The kind is signed: a peer never becomes a delegate, nor the other way round.
  requireThat(body.kind === kind, 'wrong-issuer', `it is no certificate of a ${kind}`)
  return body
}

/**
 * What the certificate of a delegate says, and the root key (PeerId as text) that has signed it. It is
 * checked in full by those who trust the root; here only its form. Throws `InvalidParametersError`.
 */
export function readDelegate(delegate: Uint8Array): Certificate & { readonly root: string } {
  try {
    const body = readBody(delegate, 'delegate')
    return { ...describe(body), root: peerOfPublicKey(body.issuer) }
  } catch (cause) {
    throw new InvalidParametersError('this is no delegate certificate', { cause })
  }
}

function requireThat(
  condition: boolean,
  reason: CertificateFault,
  explanation: string
): asserts condition {
  if (!condition) {
    throw new InvalidCertificateError(reason, `certificate refused (${reason}): ${explanation}`)
  }
}
