import type { Clock, Role } from '@murmuration/interface'
import { toString } from 'uint8arrays/to-string'
import { signPeerCertificate } from './core/certificate.ts'
import type { Signer } from './core/signed-bytes.ts'
import { clockSkewMs, selfIssuedTtlMs } from './defaults.ts'

/** Issues the holder's own certificate under one root key, and again at half of its life. */
export interface SelfIssuer {
  readonly root: string
  certificate(): Promise<Uint8Array>
}

export function selfIssuer(init: {
  readonly signer: Signer
  readonly cluster: string
  readonly peer: string
  readonly roles: readonly Role[]
  readonly clock: Clock
}): SelfIssuer {
  const { signer, cluster, peer, roles, clock } = init
  let issued: { readonly at: number; readonly bytes: Promise<Uint8Array> } | undefined
  return {
    root: signer.peer,
    certificate: async () => {
      const now = Math.trunc(clock.now())
      // A clock that jumped back also asks for a new one.
      if (issued === undefined || Math.abs(now - issued.at) > selfIssuedTtlMs / 2) {
        const random = globalThis.crypto.getRandomValues(new Uint8Array(8))
        const serial = toString(random, 'base16')
        const notBefore = Math.max(0, now - clockSkewMs)
        const notAfter = now + selfIssuedTtlMs
        const certificate = { cluster, peer, roles, serial, notBefore, notAfter }
        issued = { at: now, bytes: signPeerCertificate(signer, certificate) }
      }
      return await issued.bytes
    }
  }
}
