import type { PrivateKey } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import type { Clock, Role } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { toString } from 'uint8arrays/to-string'
import { issueCertificate } from './certificates.ts'
import type { KeyName } from './certificates.ts'
import { checkClusterName, readDelegate, roleNames } from './core/certificate.ts'
import { clockSkewMs, issuedTtlMs, issuedTtlMsMax, issuedTtlMsMin } from './defaults.ts'
import { createSigner } from './signing.ts'

/** Options of {@link createIssuer}. */
export interface IssuerInit {
  readonly cluster: string
  /** The root key, or the key of a delegate. */
  readonly privateKey: PrivateKey
  /** From `issueDelegate`, if the key is a delegate's. */
  readonly delegate?: Uint8Array
  /** Milliseconds for which certificates hold, 1 second to a year. @default 86400000 */
  readonly ttlMs?: number
  /** @default the real time */
  readonly clock?: Pick<Clock, 'now'>
}

/** A key that may say who comes in. */
export interface Issuer {
  readonly cluster: string
  /** PeerId (text) of the signing key. */
  readonly name: string
  /** PeerId (text) of the root key under which its certificates hold. */
  readonly root: string
  /** The roles that it may give. */
  readonly roles: readonly Role[]
  readonly privateKey: PrivateKey
  readonly ttlMs: number
  readonly clock: Pick<Clock, 'now'>
  /**
   * A certificate from now on, for `ttlMs`, until `notAfter` or as long as the delegate's, whatever
   * ends first. Throws `InvalidParametersError` when the delegate's has expired.
   */
  issue(
    peer: KeyName,
    roles: readonly Role[],
    limits?: { readonly notAfter?: number; readonly serial?: string }
  ): Promise<Uint8Array>
}

/** Makes an {@link Issuer}; throws `InvalidParametersError`. */
export function createIssuer(init: IssuerInit): Issuer {
  const { cluster, privateKey, delegate, ttlMs = issuedTtlMs, clock = systemClock } = init
  checkClusterName(cluster)
  if (!(ttlMs >= issuedTtlMsMin && ttlMs <= issuedTtlMsMax)) {
    throw new InvalidParametersError(`ttlMs must be ${issuedTtlMsMin} to ${issuedTtlMsMax}`)
  }
  const name = createSigner(privateKey).peer
  const parent = delegate === undefined ? undefined : readDelegate(delegate)
  return {
    cluster,
    name,
    root: parent?.root ?? name,
    roles: parent?.roles ?? roleNames,
    privateKey,
    ttlMs,
    clock,
    issue: async (peer, roles, limits = {}) => {
      const now = Math.trunc(clock.now())
      if (parent !== undefined && parent.notAfter < now) {
        throw new InvalidParametersError(
          'the certificate of the delegate has expired: make another'
        )
      }
      const notAfter = Math.min(
        now + Math.trunc(ttlMs),
        limits.notAfter ?? Number.MAX_SAFE_INTEGER,
        parent?.notAfter ?? Number.MAX_SAFE_INTEGER
      )
      return await issueCertificate(privateKey, {
        cluster,
        peer,
        roles,
        serial: limits.serial ?? randomName(),
        notBefore: Math.max(0, now - clockSkewMs),
        notAfter,
        ...(delegate === undefined ? {} : { delegate })
      })
    }
  }
}

/** 128 random bits as text. */
export function randomName(): string {
  return toString(globalThis.crypto.getRandomValues(new Uint8Array(16)), 'base64url')
}
