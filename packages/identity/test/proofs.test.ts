import type { Clock } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { createIssuer, createProofs, credentialsFromCertificate } from '../src/index.ts'
import type { CertificateCredentials, Proofs } from '../src/index.ts'
import { keyOf, peerOfSeed } from './keys.ts'

interface Scene {
  readonly credentials: CertificateCredentials
  readonly proofs: Proofs
  readonly at: number
  readonly verified: () => number
  readonly certificateOf: (seed: number) => Promise<Uint8Array>
}

async function scene(max?: number): Promise<Scene> {
  const at = 1_700_000_000_000
  const clock: Clock = { now: () => at, monotonic: () => 0, schedule: () => () => {} }
  const rootKey = await keyOf(9)
  const issuer = createIssuer({ cluster: 'forest', privateKey: rootKey, ttlMs: 60_000, clock })
  const certificateOf = async (seed: number): Promise<Uint8Array> =>
    await issuer.issue(await peerOfSeed(seed), ['edge'])
  const credentials = await credentialsFromCertificate({
    cluster: 'forest',
    privateKey: await keyOf(1),
    rootPublicKey: rootKey.publicKey,
    certificate: await certificateOf(1),
    clock
  })
  const verify = credentials.verify.bind(credentials)
  let verified = 0
  credentials.verify = (...given) => {
    verified++
    return verify(...given)
  }
  return {
    credentials,
    proofs: createProofs(credentials, max),
    at,
    certificateOf,
    verified: () => verified
  }
}

describe('certificates of peers that are not connected', () => {
  it('are verified once, until they expire', async () => {
    const { at, certificateOf, proofs, verified } = await scene()
    const peer = await peerOfSeed(2)
    const shown = [await certificateOf(2)]
    expect((await proofs.check(peer, shown, at))?.roles).toEqual(['edge'])
    expect(
      (
        await proofs.check(
          peer,
          shown.map((one) => one.slice()),
          at
        )
      )?.peer
    ).toBe(peer)
    expect(verified()).toBe(1)
    expect(await proofs.check(peer, shown, at + 60_001)).toBeUndefined()
    expect(await proofs.check(await peerOfSeed(3), shown, at)).toBeUndefined()
    expect(await proofs.check(peer, [], at)).toBeUndefined()
  })

  it('are looked at anew when somebody is revoked, and refused of whom', async () => {
    const { at, certificateOf, credentials, proofs, verified } = await scene()
    const [bad, good] = [await peerOfSeed(2), await peerOfSeed(3)]
    const [ofBad, ofGood] = [[await certificateOf(2)], [await certificateOf(3)]]
    await proofs.check(bad, ofBad, at)
    await proofs.check(good, ofGood, at)
    credentials.agree({ peers: [bad], serials: [] })
    expect([credentials.refuses(bad), credentials.refuses(good)]).toEqual([true, false])
    expect(await proofs.check(bad, ofBad, at)).toBeUndefined()
    expect((await proofs.check(good, ofGood, at))?.peer).toBe(good)
    expect(verified()).toBe(4)
  })

  it('take no more room than they may, and none where they do not hold', async () => {
    const { at, certificateOf, proofs } = await scene(2)
    for (const seed of [2, 3, 4]) {
      // oxlint-disable-next-line no-await-in-loop
      await proofs.check(await peerOfSeed(seed), [await certificateOf(seed)], at)
    }
    expect(proofs.size).toBe(2)
    const other = await scene(2)
    await other.proofs.check(await peerOfSeed(2), [await certificateOf(3)], at)
    await other.proofs.check(await peerOfSeed(2), [new Uint8Array(40)], at)
    expect(other.proofs.size).toBe(0)
  })
})
