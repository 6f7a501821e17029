import { equals } from 'uint8arrays/equals'
import { createBoundedMap } from './core/bounded-map.ts'
import type { VerifiedCertificate } from './core/certificate.ts'
import type { Credentials } from './credentials.ts'
import { proofsMaxDefault } from './defaults.ts'
import { InvalidCertificateError } from './errors.ts'

/** Checks certificates of peers that are not connected, such as those that travel with what they signed. */
export interface Proofs {
  /** Peers whose certificates are remembered. */
  readonly size: number
  /**
   * The first of these certificates that held for a peer at that time (milliseconds since 1970);
   * undefined if none did. Nothing is remembered of those that do not hold.
   */
  check(
    peer: string,
    shown: readonly Uint8Array[],
    at: number
  ): Promise<VerifiedCertificate | undefined>
}

interface Proven {
  readonly shown: readonly Uint8Array[]
  readonly certificate: VerifiedCertificate
  readonly generation: number
}

/**
 * Makes {@link Proofs} over what `credentials` accept. The same certificates are verified once, until
 * they expire or something is revoked; `max` peers are remembered, the one that was asked for least
 * recently goes first.
 */
export function createProofs(credentials: Credentials, max: number = proofsMaxDefault): Proofs {
  const proven = createBoundedMap<string, Proven>(max)
  return {
    get size() {
      return proven.size
    },
    check: async (peer, shown, at) => {
      if (shown.length === 0) return undefined
      const known = proven.get(peer)
      if (known !== undefined && isStill(known, shown, credentials.generation, at)) {
        return known.certificate
      }
      // Read before: what is revoked while this is checked must be looked at anew.
      const { generation } = credentials
      try {
        const certificate = await credentials.verify(shown, peer, { at })
        if (generation !== credentials.generation) return undefined
        // Copies: what was shown is a view of a whole message.
        proven.set(peer, { shown: shown.map((one) => one.slice()), certificate, generation })
        return certificate
      } catch (error) {
        if (error instanceof InvalidCertificateError) return undefined
        throw error
      }
    }
  }
}

function isStill(
  { certificate, generation, shown }: Proven,
  again: readonly Uint8Array[],
  current: number,
  at: number
): boolean {
  return (
    generation === current &&
    at >= certificate.notBefore &&
    at <= certificate.notAfter &&
    shown.length === again.length &&
    shown.every((one, index) => equals(one, again[index] ?? new Uint8Array()))
  )
}
