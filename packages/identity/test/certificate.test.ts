import fc from 'fast-check'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { bytes, message, optional } from '@murmuration/codec'
import { toString } from 'uint8arrays/to-string'
import { describe, expect, test } from 'vitest'
import {
  issueCertificate,
  issueDelegate,
  readCertificate,
  verifyCertificate
} from '../src/index.ts'
import type { CertificateFault, IssueInit, VerifyOptions } from '../src/index.ts'
import { keyOf, peerOfSeed } from './keys.ts'

// Seeds of the keys: 1 is the root, 2 the delegate, 3 the peer.
const base = {
  cluster: 'forest',
  roles: ['member'] as const,
  notBefore: 1_000,
  notAfter: 2_000,
  serial: '42'
}

/** How a certificate travels, taken apart to be put together wrongly. */
const Shown = message({ certificate: bytes(), delegate: optional(bytes()) })

async function issued(change: Partial<IssueInit> = {}, signer = 1): Promise<Uint8Array> {
  return await issueCertificate(await keyOf(signer), {
    ...base,
    peer: await peerOfSeed(3),
    ...change
  })
}

async function delegated(change: Partial<IssueInit> = {}): Promise<Uint8Array> {
  return await issueDelegate(await keyOf(1), {
    ...base,
    roles: ['member', 'edge'],
    serial: 'd',
    ...change,
    delegate: await peerOfSeed(2)
  })
}

async function verify(shown: Uint8Array, change: Partial<VerifyOptions> = {}): Promise<unknown> {
  return await verifyCertificate(shown, {
    cluster: 'forest',
    peer: await peerOfSeed(3),
    roots: [await peerOfSeed(1)],
    now: 1_500,
    ...change
  })
}

async function expectFault(
  shown: Uint8Array,
  reason: CertificateFault,
  change: Partial<VerifyOptions> = {}
): Promise<void> {
  await expect(verify(shown, change)).rejects.toMatchObject({
    name: 'InvalidCertificateError',
    code: 'ERR_INVALID_CERTIFICATE',
    reason
  })
}

describe('certificates', () => {
  test('hold for their peer and cluster under their root key', async () => {
    const shown = await issued({ roles: ['member', 'edge', 'edge'], epoch: 5 })
    const expected = {
      ...base,
      peer: await peerOfSeed(3),
      roles: ['edge', 'member'],
      epoch: 5
    }
    expect(await verify(shown)).toEqual({
      ...expected,
      root: await peerOfSeed(1),
      delegate: undefined
    })
    expect(readCertificate(shown)).toEqual(expected)
  })

  test('have golden bytes', async () => {
    expect(toString(await issued(), 'base16')).toMatchInlineSnapshot(
      `"a16b636572746966696361746558f70132524320995cdd1e3e66da32adbcc2ee68f457d82f527beea7f357e6f73afe57fdcead30b8270e475ae0e91e75f801567314cdfc563c2ae02dd16ae5e0a69808a9646b696e64647065657264706565727834313244334b6f6f57526e645668565a504369517748424242646737363947797250555731337a787771517966397233414e6162616565706f63680065726f6c657381666d656d6265726669737375657258208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c6673657269616c62343267636c757374657266666f72657374686e6f7441667465721907d0696e6f744265666f72651903e8"`
    )
  })

  test('hold from the first to the last millisecond, both included', async () => {
    const shown = await issued()
    await verify(shown, { now: 1_000 })
    await verify(shown, { now: 2_000 })
    await expectFault(shown, 'not-yet-valid', { now: 999 })
    await expectFault(shown, 'expired', { now: 2_001 })
  })

  test('do not hold for another peer, cluster or root key', async () => {
    const shown = await issued()
    await expectFault(shown, 'wrong-peer', { peer: await peerOfSeed(4) })
    await expectFault(shown, 'wrong-cluster', { cluster: 'desert' })
    await expectFault(shown, 'wrong-root', { roots: [await peerOfSeed(4)] })
    await expectFault(await issued({}, 4), 'wrong-root')
  })

  test('hold under either of two root keys while the root key is changed', async () => {
    const roots = [await peerOfSeed(1), await peerOfSeed(4)]
    await verify(await issued({}, 1), { roots })
    await verify(await issued({}, 4), { roots })
    await expectFault(await issued({}, 5), 'wrong-root', { roots })
  })

  test('hold when a delegate signed them, and say so', async () => {
    const shown = await issued({ delegate: await delegated() }, 2)
    expect(await verify(shown)).toMatchObject({
      root: await peerOfSeed(1),
      delegate: await peerOfSeed(2)
    })
    await expectFault(shown, 'wrong-root', { roots: [await peerOfSeed(2)] })
  })

  test('of a delegate do not outlive the certificate of the delegate', async () => {
    const long = { notBefore: 0, notAfter: 9_000 }
    const shown = await issued({ ...long, delegate: await delegated() }, 2)
    await expectFault(shown, 'expired', { now: 2_001 })
    await expectFault(shown, 'not-yet-valid', { now: 999 })
  })

  test('of a delegate are not issued beyond its roles, cluster or key', async () => {
    const delegate = await delegated()
    const wrong = { code: 'ERR_INVALID_PARAMETERS' }
    await expect(issued({ delegate, roles: ['guest'] }, 2)).rejects.toMatchObject(wrong)
    await expect(issued({ delegate, cluster: 'desert' }, 2)).rejects.toMatchObject(wrong)
    await expect(issued({ delegate }, 4)).rejects.toMatchObject(wrong)
    await expect(issued({ delegate: new Uint8Array(9) }, 2)).rejects.toMatchObject(wrong)
  })

  test('of a dishonest delegate do not hold', async () => {
    const narrow = await delegated({ roles: ['edge'] })
    const wide = await delegated({ roles: ['edge', 'member'] })
    // Signed for the wide one, shown with the narrow one.
    const { certificate } = Shown.decode(await issued({ delegate: wide }, 2))
    await expectFault(Shown.encode({ certificate, delegate: narrow }), 'wrong-issuer')
    // Of another key than the one that signed.
    const other = Shown.decode(await issued({}, 4)).certificate
    await expectFault(Shown.encode({ certificate: other, delegate: wide }), 'wrong-issuer')
    // A delegate of the same root in another cluster.
    const elsewhere = await delegated({ cluster: 'desert' })
    const foreign = await issued({ cluster: 'desert', delegate: elsewhere }, 2)
    await expectFault(foreign, 'wrong-cluster')
    await expectFault(foreign, 'wrong-peer', { cluster: 'desert', peer: await peerOfSeed(9) })
  })

  test('do not make a peer a delegate, nor a delegate a peer', async () => {
    const delegate = await delegated()
    const own = Shown.decode(await issued({ peer: await peerOfSeed(2) })).certificate
    const { certificate } = Shown.decode(await issued({ delegate }, 2))
    await verify(Shown.encode({ certificate, delegate }))
    await expectFault(Shown.encode({ certificate, delegate: own }), 'wrong-issuer')
    const peer = await peerOfSeed(2)
    await verify(Shown.encode({ certificate: own }), { peer })
    await expectFault(Shown.encode({ certificate: delegate }), 'wrong-issuer', { peer })
  })

  test('do not hold with a bit flipped, nor cut, nor when they are noise', async () => {
    const shown = await issued({ delegate: await delegated() }, 2)
    // One bit of each byte, another one from byte to byte.
    for (let at = 0; at < shown.length; at += 1) {
      const mutant = Uint8Array.from(shown)
      mutant[at] = (mutant[at] ?? 0) ^ (1 << ((at * 5) % 8))
      // Not with matchers, which would make this test take seconds.
      const outcome = await verify(mutant).catch((error: unknown) => error)
      expect(outcome instanceof Error && outcome.name).toBe('InvalidCertificateError')
    }
    for (let length = 0; length < shown.length; length += 7) {
      await expectFault(shown.slice(0, length), 'malformed')
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (noise) => {
        const outcome = await verify(noise).catch((error: unknown) => error)
        expect(outcome instanceof Error && 'reason' in outcome && outcome.reason).toBe('malformed')
      })
    )
  })

  test('are not issued from wrong parameters', async () => {
    const wrong = { code: 'ERR_INVALID_PARAMETERS' }
    const bad: readonly Partial<IssueInit>[] = [
      { cluster: '' },
      { cluster: 'a\nb' },
      { cluster: 'ü'.repeat(65) },
      { roles: [] },
      { peer: 'nobody' },
      { notBefore: 2_001 },
      { notAfter: Number.NaN },
      { notBefore: -1 },
      { notAfter: 1_500.5 },
      { serial: 'a'.repeat(65) },
      { epoch: -1 }
    ]
    for (const change of bad) {
      await expect(issued(change)).rejects.toMatchObject(wrong)
    }
    const key = await generateKeyPair('secp256k1')
    const init = { ...base, peer: await peerOfSeed(3) }
    await expect(issueCertificate(key, init)).rejects.toMatchObject(wrong)
    await expect(verify(await issued(), { roots: [] })).rejects.toMatchObject(wrong)
  })
})
