import type { PrivateKey } from '@libp2p/interface'
import {
  InvalidParametersError,
  OverloadedError,
  UnsupportedInSecretModeError
} from '@murmuration/interface'
import type { Clock, Role } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { peerOf } from './certificates.ts'
import type { KeyName } from './certificates.ts'
import {
  canonicalRoles,
  certificateName,
  checkCertificate,
  checkClusterName
} from './core/certificate.ts'
import type { VerifiedCertificate } from './core/certificate.ts'
import { certificatesMax, revokedMax, rootsMax } from './defaults.ts'
import { InvalidCertificateError } from './errors.ts'
import { deriveSecret } from './secret.ts'
import { selfIssuer } from './self-issuer.ts'
import type { SelfIssuer } from './self-issuer.ts'
import { createSigner, createVerifier } from './signing.ts'

/** What a peer shows to get in, and what it asks of others. */
export interface Credentials {
  readonly mode: 'secret' | 'root-key' | 'open'
  readonly cluster: string
  /** The holder, PeerId as text. */
  readonly peer: string
  readonly privateKey: PrivateKey
  readonly clock: Clock
  /** Key for {@link privateNetwork}; undefined if there is none. */
  readonly psk: Uint8Array | undefined
  /** Rises whenever something that was accepted may be accepted no longer. */
  readonly generation: number
  /** The certificates to show, one per root key in use. */
  certificates(): Promise<readonly Uint8Array[]>
  /**
   * Finds one that holds for `peer` now, but at no time before `notBefore` (milliseconds since 1970);
   * throws `InvalidCertificateError` for none.
   */
  verify(
    shown: readonly Uint8Array[],
    peer: string,
    options?: { readonly notBefore?: number }
  ): Promise<VerifiedCertificate>
  /**
   * Refuses this peer, or everything a delegate of that name signed, from now on and cuts its
   * connections. Known to this process only, until it ends; `agree` takes what all members refuse.
   *
   * Throws `UnsupportedInSecretModeError` in secret and open mode, `OverloadedError` at 10,000.
   */
  revoke(peer: KeyName): void
  /**
   * Replaces what the cluster has agreed to refuse, peers and certificates by their
   * `certificateName`, and cuts whom that concerns. In secret and open mode it changes nothing, as with {@link revoke}.
   */
  agree(refused: { readonly peers: readonly string[]; readonly serials: readonly string[] }): void
  /** Calls `listener` after each rise of {@link generation}, for the life of the credentials. */
  onChange(listener: () => void): void
}

/** One secret, or two while it is being changed. */
export type ClusterSecret = string | { readonly current: string; readonly next: string }

export interface SecretCredentialsInit {
  /** 1 to 128 UTF-8 bytes. */
  readonly cluster: string
  /** 16 to 1024 bytes; make it with `openssl rand -base64 32`. */
  readonly secret: ClusterSecret
  readonly privateKey: PrivateKey
  /** @default ['member'] */
  readonly roles?: readonly Role[]
  /** @default the real time */
  readonly clock?: Clock
}

export interface SecretCredentials extends Credentials {
  readonly mode: 'secret'
  /** Changes the secret without a stop; peers that only know a dropped one are cut. */
  rotate(secret: ClusterSecret): Promise<void>
}

export interface CertificateCredentialsInit {
  readonly cluster: string
  /** The key that must have signed, or two of them while it is being changed, the newer one last. */
  readonly rootPublicKey: KeyName | readonly KeyName[]
  /** From `issueCertificate`; up to two, one per root key. */
  readonly certificate: Uint8Array | readonly Uint8Array[]
  readonly privateKey: PrivateKey
  /** Certificates of lower epochs are refused. @default 0 */
  readonly epochMin?: number
  /** Pre-shared key in libp2p's file format (95 bytes), for {@link privateNetwork}. */
  readonly psk?: Uint8Array
  /** @default the real time */
  readonly clock?: Clock
}

export interface CertificateCredentials extends Credentials {
  readonly mode: 'root-key'
  /** Shows these from now on; throws `InvalidCertificateError` if none holds, and changes nothing. */
  renew(certificate: Uint8Array | readonly Uint8Array[]): Promise<void>
  /** Trusts these root keys, one or two, from now on; peers under others are cut. */
  trust(rootPublicKey: KeyName | readonly KeyName[]): void
  /** PeerIds (text) of the root keys that are trusted now, the newest last. */
  roots(): readonly string[]
  /**
   * The place in {@link roots} of the newest key under which one of these certificates holds for this
   * peer; -1 if none does.
   */
  rankOf(certificates: readonly Uint8Array[]): Promise<number>
  /** Refuses certificates of lower epochs; never goes down. */
  raiseEpoch(epochMin: number): void
}

export interface OpenCredentialsInit {
  readonly cluster: string
  readonly privateKey: PrivateKey
  /** @default ['member'] */
  readonly roles?: readonly Role[]
  /** @default the real time */
  readonly clock?: Clock
}

/** What differs between the modes. */
interface Policy {
  readonly mode: Credentials['mode']
  readonly cluster: string
  readonly privateKey: PrivateKey
  readonly clock: Clock
  readonly psk: () => Uint8Array | undefined
  readonly certificates: () => Promise<readonly Uint8Array[]>
  readonly rootsFor: (peer: string) => readonly string[]
  readonly epochMin: () => number
  readonly revoke: (peer: string, revoked: Set<string>) => void
}

/**
 * Credentials of a cluster whose peers share a secret: each issues its own certificate under a root
 * key that is derived from the secret. Who has the secret can join with any role, so one peer cannot
 * be revoked; change the secret instead, see {@link SecretCredentials.rotate}.
 *
 * Takes about 0.1 s and 32 MiB once per secret. Throws `InvalidParametersError`.
 */
export async function credentialsFromSecret(
  init: SecretCredentialsInit
): Promise<SecretCredentials> {
  const { cluster, privateKey, clock = systemClock } = init
  checkClusterName(cluster)
  const holder = createSigner(privateKey)
  const roles = canonicalRoles(init.roles ?? ['member'])
  const issue = (rootKey: PrivateKey): SelfIssuer =>
    selfIssuer({ signer: createSigner(rootKey), cluster, peer: holder.peer, roles, clock })
  const derive = async (
    secret: ClusterSecret
  ): Promise<{ psk: Uint8Array | undefined; issuers: readonly SelfIssuer[] }> => {
    const texts = typeof secret === 'string' ? [secret] : [secret.current, secret.next]
    const keys = await Promise.all([...new Set(texts)].map((text) => deriveSecret(cluster, text)))
    return { psk: keys[0]?.psk, issuers: keys.map((key) => issue(key.rootKey)) }
  }
  let state = await derive(init.secret)
  const { credentials, changed } = createCredentials({
    mode: 'secret',
    cluster,
    privateKey,
    clock,
    psk: () => state.psk,
    certificates: () => Promise.all(state.issuers.map((issuer) => issuer.certificate())),
    rootsFor: () => state.issuers.map((issuer) => issuer.root),
    epochMin: () => 0,
    revoke: () => {
      throw new UnsupportedInSecretModeError(
        'who has the secret can make a new certificate: to shut a peer out, rotate the secret to ' +
          '{ current, next } on all other peers, then to the next one alone; or use a root key'
      )
    }
  })
  return Object.assign(credentials, {
    mode: 'secret' as const,
    rotate: async (secret: ClusterSecret): Promise<void> => {
      state = await derive(secret)
      changed()
    }
  })
}

/**
 * Credentials of a cluster with a root key: a certificate that this key, or a delegate, has issued.
 * Throws `InvalidCertificateError` if it does not hold for this peer now, and
 * `InvalidParametersError`.
 */
export async function credentialsFromCertificate(
  init: CertificateCredentialsInit
): Promise<CertificateCredentials> {
  const { cluster, privateKey, clock = systemClock } = init
  checkClusterName(cluster)
  const peer = createSigner(privateKey).peer
  let roots = rootNames(init.rootPublicKey)
  let epochMin = checkEpoch(init.epochMin ?? 0)
  let certificates: readonly Uint8Array[] = []
  const { credentials, changed } = createCredentials({
    mode: 'root-key',
    cluster,
    privateKey,
    clock,
    psk: () => init.psk,
    certificates: () => Promise.resolve(certificates),
    rootsFor: () => roots,
    epochMin: () => epochMin,
    revoke: (name, revoked) => {
      if (!revoked.has(name) && revoked.size >= revokedMax) {
        throw new OverloadedError(
          `${revokedMax} peers are revoked already: raise the epoch of certificates instead`
        )
      }
      revoked.add(name)
      changed()
    }
  })
  const renew = async (certificate: Uint8Array | readonly Uint8Array[]): Promise<void> => {
    const shown = certificate instanceof Uint8Array ? [certificate] : [...certificate]
    if (shown.length === 0 || shown.length > certificatesMax) {
      throw new InvalidParametersError(`1 to ${certificatesMax} certificates can be shown`)
    }
    await credentials.verify(shown, peer)
    certificates = shown
  }
  await renew(init.certificate)
  return Object.assign(credentials, {
    mode: 'root-key' as const,
    renew,
    roots: () => roots,
    rankOf: async (shown: readonly Uint8Array[]): Promise<number> => {
      const ranks = shown.map((one) =>
        credentials.verify([one], peer).then(
          ({ root }) => roots.indexOf(root),
          () => -1
        )
      )
      return Math.max(-1, ...(await Promise.all(ranks)))
    },
    trust: (rootPublicKey: KeyName | readonly KeyName[]): void => {
      roots = rootNames(rootPublicKey)
      changed()
    },
    raiseEpoch: (epoch: number): void => {
      epochMin = Math.max(epochMin, checkEpoch(epoch))
      changed()
    }
  })
}

/**
 * Credentials that admit everybody who names the same cluster: for one machine only. Whoever opens
 * them must see to it that the node listens on loopback.
 */
export async function openCredentials(init: OpenCredentialsInit): Promise<Credentials> {
  const { cluster, privateKey, clock = systemClock } = init
  checkClusterName(cluster)
  const signer = createSigner(privateKey)
  const roles = canonicalRoles(init.roles ?? ['member'])
  const issuer = selfIssuer({ signer, cluster, peer: signer.peer, roles, clock })
  const { credentials } = createCredentials({
    mode: 'open',
    cluster,
    privateKey,
    clock,
    psk: () => undefined,
    certificates: async () => [await issuer.certificate()],
    // Each peer is its own root here, so a cluster with a secret or a root key stays separate.
    rootsFor: (peer) => [peer],
    epochMin: () => 0,
    revoke: () => {
      throw new UnsupportedInSecretModeError(
        'open credentials admit everybody: give the cluster a secret or a root key'
      )
    }
  })
  return credentials
}

function createCredentials(policy: Policy): { credentials: Credentials; changed: () => void } {
  const { cluster, clock, privateKey } = policy
  const verifier = createVerifier()
  const revoked = new Set<string>()
  // Bounded by what a view may list.
  let agreed = { peers: new Set<string>(), serials: new Set<string>() }
  // Bounded by the number of nodes that the embedding process makes with these credentials.
  const listeners = new Set<() => void>()
  let generation = 0
  const check = async (
    shown: Uint8Array,
    peer: string,
    notBefore: number
  ): Promise<VerifiedCertificate> => {
    const roots = policy.rootsFor(peer)
    const expectation = { cluster, peer, roots, now: Math.max(clock.now(), notBefore) }
    const certificate = await checkCertificate(shown, expectation, verifier.verify)
    const names = [peer, certificate.delegate ?? '']
    if (
      names.some((name) => revoked.has(name) || agreed.peers.has(name)) ||
      agreed.serials.has(certificateName(certificate))
    ) {
      throw new InvalidCertificateError('revoked', 'certificate refused (revoked): it was revoked')
    }
    if (certificate.epoch < policy.epochMin()) {
      throw new InvalidCertificateError('old-epoch', 'certificate refused (old-epoch): renew it')
    }
    return certificate
  }
  const credentials = {
    mode: policy.mode,
    cluster,
    peer: createSigner(privateKey).peer,
    privateKey,
    clock,
    get psk() {
      return policy.psk()
    },
    get generation() {
      return generation
    },
    certificates: policy.certificates,
    verify: (
      shown: readonly Uint8Array[],
      peer: string,
      { notBefore = 0 }: { readonly notBefore?: number } = {}
    ) => firstThatHolds(shown, (one) => check(one, peer, notBefore)),
    revoke: (peer: KeyName) => policy.revoke(peerOf(peer), revoked),
    agree: ({ peers, serials }: { peers: readonly string[]; serials: readonly string[] }) => {
      if (policy.mode !== 'root-key') return
      const isNews = !isSame(agreed.peers, peers) || !isSame(agreed.serials, serials)
      agreed = { peers: new Set(peers), serials: new Set(serials) }
      if (isNews) changed()
    },
    onChange: (listener: () => void) => {
      listeners.add(listener)
    }
  }
  const changed = (): void => {
    generation += 1
    for (const listener of listeners) {
      listener()
    }
  }
  return { credentials, changed }
}

async function firstThatHolds(
  shown: readonly Uint8Array[],
  check: (shown: Uint8Array) => Promise<VerifiedCertificate>
): Promise<VerifiedCertificate> {
  let reason: unknown = new InvalidCertificateError('malformed', 'no certificate was shown')
  for (const bytes of shown.slice(0, certificatesMax)) {
    try {
      // One after the other on purpose: the first one nearly always holds.
      // oxlint-disable-next-line no-await-in-loop
      return await check(bytes)
    } catch (error) {
      // With two roots in use one certificate is often of the root that we do not know (yet), so
      // what is wrong with the other one tells more.
      const dull = error instanceof InvalidCertificateError && error.reason === 'wrong-root'
      reason = dull && bytes !== shown[0] ? reason : error
    }
  }
  throw reason
}

function rootNames(rootPublicKey: KeyName | readonly KeyName[]): readonly string[] {
  const keys: readonly KeyName[] = isList(rootPublicKey) ? rootPublicKey : [rootPublicKey]
  const names = [...new Set(keys.map(peerOf))]
  if (names.length === 0 || names.length > rootsMax) {
    throw new InvalidParametersError(`1 to ${rootsMax} root keys are needed`)
  }
  return names
}

/** `Array.isArray` alone does not narrow readonly lists. */
function isList(value: KeyName | readonly KeyName[]): value is readonly KeyName[] {
  return Array.isArray(value)
}

function checkEpoch(epoch: number): number {
  if (!Number.isSafeInteger(epoch) || epoch < 0) {
    throw new InvalidParametersError('an epoch is an integer of 0 or more')
  }
  return epoch
}

function isSame(set: ReadonlySet<string>, list: readonly string[]): boolean {
  return set.size === list.length && list.every((one) => set.has(one))
}
