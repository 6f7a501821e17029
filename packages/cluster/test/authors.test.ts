import { generateKeyPair } from '@libp2p/crypto/keys'
import {
  createIssuer,
  credentialsFromCertificate,
  peerOf,
  verifyCertificate
} from '@murmuration/identity'
import type { Admitted, CertificateCredentials, VerifiedCertificate } from '@murmuration/identity'
import type { Role } from '@murmuration/interface'
import type { SignalAuthors } from '@murmuration/signals'
import { describe, expect, it } from 'vitest'
import { admittedAuthors } from '../src/authors.ts'

interface Scene {
  readonly authors: SignalAuthors
  readonly credentials: CertificateCredentials
  readonly connected: Map<string, VerifiedCertificate>
  readonly view: Set<string>
  readonly certified: (roles: readonly Role[]) => Promise<{
    readonly peer: string
    readonly certificate: Uint8Array
    readonly verified: VerifiedCertificate
  }>
}

async function scene(): Promise<Scene> {
  const [rootKey, own] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
  const issuer = createIssuer({ cluster: 'vault', privateKey: rootKey })
  const credentials = await credentialsFromCertificate({
    cluster: 'vault',
    privateKey: own,
    rootPublicKey: rootKey.publicKey,
    certificate: await issuer.issue(own.publicKey, ['member'])
  })
  const connected = new Map<string, VerifiedCertificate>()
  const view = new Set<string>()
  const certificateOf: Admitted['certificateOf'] = (peer) => connected.get(peer)
  // Nothing else of it is asked for.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const admitted = { certificateOf } as Admitted
  return {
    credentials,
    connected,
    view,
    authors: admittedAuthors({ admitted, credentials }, (peer) => view.has(peer)),
    certified: async (roles) => {
      const peer = peerOf((await generateKeyPair('Ed25519')).publicKey)
      const certificate = await issuer.issue(peer, roles)
      const roots = [rootKey.publicKey]
      const expectation = { cluster: 'vault', peer, roots, now: Date.now() }
      return { peer, certificate, verified: await verifyCertificate(certificate, expectation) }
    }
  }
}

describe('authors of signals', () => {
  it('are known when they are connected and may publish, or in the view', async () => {
    const { authors, certified, connected, view } = await scene()
    for (const role of ['member', 'edge', 'guest'] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const { peer, verified } = await certified([role])
      expect(authors.knows(peer)).toBe(false)
      connected.set(peer, verified)
      expect(authors.knows(peer)).toBe(role !== 'guest')
    }
    const { peer } = await certified(['member'])
    view.add(peer)
    expect(authors.knows(peer)).toBe(true)
  })

  it('are proven by a certificate with a role that may publish', async () => {
    const { authors, certified } = await scene()
    const found: boolean[] = []
    for (const role of ['member', 'edge', 'guest'] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const { peer, certificate } = await certified([role])
      // oxlint-disable-next-line no-await-in-loop
      found.push(await authors.proves(peer, [certificate], Date.now()))
    }
    expect(found).toEqual([true, true, false])
  })

  it('are nobody any more when they are revoked: connected, in the view, or with a certificate', async () => {
    const { authors, certified, connected, credentials, view } = await scene()
    const { peer, certificate, verified } = await certified(['member'])
    view.add(peer)
    connected.set(peer, verified)
    expect(await authors.proves(peer, [certificate], Date.now())).toBe(true)
    credentials.revoke(peer)
    expect(authors.knows(peer)).toBe(false)
    expect(await authors.proves(peer, [certificate], Date.now())).toBe(false)
  })
})
