import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Clock } from '@murmuration/interface'
import { toString } from 'uint8arrays/to-string'
import { describe, expect, test } from 'vitest'
import {
  certificateName,
  credentialsFromCertificate,
  credentialsFromSecret,
  issueCertificate,
  issueDelegate,
  openCredentials,
  privateNetwork,
  readCertificate
} from '../src/index.ts'
import type { SecretCredentialsInit } from '../src/index.ts'
import { deriveSecret, stretch } from '../src/secret.ts'
import { keyOf, peerOfSeed } from './keys.ts'

const secret = 'correct horse battery staple'
const cluster = 'forest'
const day = 86_400_000

function clockAt(start: number): Clock & { time: number } {
  const clock = {
    time: start,
    now: () => clock.time,
    monotonic: () => clock.time,
    schedule: () => () => undefined
  }
  return clock
}

async function holder(seed: number, change: Partial<SecretCredentialsInit> = {}) {
  const privateKey = await keyOf(seed)
  return await credentialsFromSecret({ cluster, secret, privateKey, ...change })
}

describe('a cluster secret', () => {
  test('gives golden keys, other ones in each cluster', async () => {
    const derived = await deriveSecret(cluster, secret)
    expect(toString(derived.rootKey.publicKey.raw, 'base16')).toMatchInlineSnapshot(
      `"4f16d3d39b0abf80731aa36d66926d45e963c8f9eadba74d6505ea35fd7620a7"`
    )
    expect(new TextDecoder().decode(derived.psk)).toMatchInlineSnapshot(`
      "/key/swarm/psk/1.0.0/
      /base16/
      8c35b679a5b2e3b0a651d0cd455a60d8c2f4667eb45ce716475bf2bf1b834a09"
    `)
    const other = await deriveSecret('desert', secret)
    expect(other.rootKey.publicKey.raw).not.toEqual(derived.rootKey.publicKey.raw)
    expect(await deriveSecret(cluster, secret)).toBe(derived)
  })

  test('is stretched to the same bytes with and without node:crypto', async () => {
    const [password, salt] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]
    const fast = Uint8Array.from(await stretch(password, salt))
    expect(await stretch(password, salt, null)).toEqual(fast)
  })

  test('of the wrong size is refused', async () => {
    for (const bad of ['', 'short', 'a'.repeat(1_025)]) {
      await expect(holder(1, { secret: bad })).rejects.toThrow(/16 to 1024 bytes/)
    }
    await expect(holder(1, { cluster: '' })).rejects.toThrow(/cluster name/)
    await expect(holder(1, { roles: [] })).rejects.toThrow(/roles/)
  })

  test('lets its holders accept each other, and nobody else', async () => {
    const [a, b] = [await holder(1), await holder(2, { roles: ['edge'] })]
    const stranger = await holder(3, { secret: 'some other secret' })
    const shown = await b.certificates()
    expect(await a.verify(shown, b.peer)).toMatchObject({ peer: b.peer, roles: ['edge'] })
    await expect(a.verify(shown, stranger.peer)).rejects.toMatchObject({ reason: 'wrong-peer' })
    await expect(a.verify(await stranger.certificates(), stranger.peer)).rejects.toMatchObject({
      reason: 'wrong-root'
    })
    await expect(a.verify([], b.peer)).rejects.toMatchObject({ reason: 'malformed' })
  })

  test('cannot revoke one peer, and says what to do', async () => {
    const credentials = await holder(1)
    const peer = await peerOfSeed(2)
    expect(() => credentials.revoke(peer)).toThrow(/rotate the secret/)
    expect(() => credentials.revoke(peer)).toThrow(
      expect.objectContaining({ name: 'UnsupportedInSecretModeError' })
    )
  })

  test('can be changed in two steps while every pair of steps accepts each other', async () => {
    const next = 'the next secret is longer'
    const steps = [secret, { current: secret, next }, next]
    const accept = async (from: number, to: number): Promise<boolean> => {
      const a = await holder(1, { secret: steps[from] ?? '' })
      const b = await holder(2, { secret: steps[to] ?? '' })
      return await a.verify(await b.certificates(), b.peer).then(
        () => true,
        () => false
      )
    }
    expect(await accept(0, 1)).toBe(true)
    expect(await accept(1, 0)).toBe(true)
    expect(await accept(1, 2)).toBe(true)
    expect(await accept(2, 1)).toBe(true)
    expect(await accept(0, 2)).toBe(false)
    expect(await accept(2, 0)).toBe(false)
  })

  test('that cannot be changed leaves the old one in place', async () => {
    const [a, b] = [await holder(1), await holder(2)]
    await expect(a.rotate('short')).rejects.toThrow(/16 to 1024/)
    expect(a.generation).toBe(0)
    await a.verify(await b.certificates(), b.peer)
  })

  test('gives certificates that are renewed at half of their life', async () => {
    const clock = clockAt(100 * day)
    const credentials = await holder(1, { clock })
    const [first] = await credentials.certificates()
    expect(await credentials.certificates()).toEqual([first])
    clock.time += 14 * day
    expect(await credentials.certificates()).toEqual([first])
    clock.time += 2 * day
    const [second] = await credentials.certificates()
    expect(second).not.toEqual(first)
    expect(readCertificate(second ?? new Uint8Array()).notAfter).toBe(146 * day)
    clock.time = 50 * day
    const [third] = await credentials.certificates()
    expect(readCertificate(third ?? new Uint8Array()).notAfter).toBe(80 * day)
  })
})

async function setup() {
  const rootKey = await keyOf(9)
  const clock = clockAt(1_000)
  const make = async (seed: number, change: { notAfter?: number; epoch?: number } = {}) => {
    const times = { notBefore: 0, notAfter: 5_000, ...change }
    const peer = await peerOfSeed(seed)
    return await issueCertificate(rootKey, {
      cluster,
      peer,
      roles: ['member'],
      serial: '1',
      ...times
    })
  }
  const credentials = await credentialsFromCertificate({
    cluster,
    rootPublicKey: rootKey.publicKey,
    certificate: await make(1),
    privateKey: await keyOf(1),
    clock
  })
  return { rootKey, clock, make, credentials }
}

describe('a root key', () => {
  test('admits whom it signed, until it is revoked', async () => {
    const { credentials, make } = await setup()
    const [peer, other] = [await peerOfSeed(2), await peerOfSeed(3)]
    let changes = 0
    credentials.onChange(() => (changes += 1))
    await credentials.verify([await make(2)], peer)
    credentials.revoke(peer)
    expect([changes, credentials.generation]).toEqual([1, 1])
    await expect(credentials.verify([await make(2)], peer)).rejects.toMatchObject({
      reason: 'revoked'
    })
    await credentials.verify([await make(3)], other)
  })

  test('refuses a certificate by its issuer and serial, and no other of the same serial', async () => {
    const { rootKey, credentials, make } = await setup()
    const [peer, crony] = [await peerOfSeed(2), await peerOfSeed(3)]
    const delegateKey = await keyOf(4)
    const init = { cluster, roles: ['member'] as const, serial: '1', notBefore: 0, notAfter: 5_000 }
    const delegate = await issueDelegate(rootKey, { ...init, delegate: delegateKey.publicKey })
    const copied = await issueCertificate(delegateKey, { ...init, peer: crony, delegate })
    const name = certificateName(await credentials.verify([copied], crony))
    expect(name).toBe(`${await peerOfSeed(4)}/1`)
    credentials.agree({ peers: [], serials: [name] })
    const revoked = { reason: 'revoked' }
    await expect(credentials.verify([copied], crony)).rejects.toMatchObject(revoked)
    await credentials.verify([await make(2)], peer)
    credentials.agree({ peers: [], serials: [`${credentials.roots()[0] ?? ''}/1`] })
    await credentials.verify([copied], crony)
    await expect(credentials.verify([await make(2)], peer)).rejects.toMatchObject(revoked)
  })

  test('refuses certificates of an epoch that was left behind', async () => {
    const { credentials, make } = await setup()
    credentials.raiseEpoch(2)
    credentials.raiseEpoch(1)
    const peer = await peerOfSeed(2)
    await expect(credentials.verify([await make(2)], peer)).rejects.toMatchObject({
      reason: 'old-epoch'
    })
    await credentials.verify([await make(2, { epoch: 2 })], peer)
    expect(() => credentials.raiseEpoch(-1)).toThrow(/epoch/)
  })

  test('is changed by trusting both for a while', async () => {
    const { credentials, make, rootKey } = await setup()
    const peer = await peerOfSeed(2)
    const nextKey = await keyOf(8)
    const init = { cluster, peer, roles: ['member'] as const, serial: '2' }
    const next = await issueCertificate(nextKey, { ...init, notBefore: 0, notAfter: 5_000 })
    await expect(credentials.verify([next], peer)).rejects.toMatchObject({ reason: 'wrong-root' })
    credentials.trust([rootKey.publicKey, nextKey.publicKey])
    await credentials.verify([next], peer)
    await credentials.verify([await make(2), next], peer)
    credentials.trust(nextKey.publicKey)
    await credentials.verify([await make(2), next], peer)
    await expect(credentials.verify([await make(2)], peer)).rejects.toMatchObject({
      reason: 'wrong-root'
    })
    expect(() => credentials.trust([])).toThrow(/1 to 2 root keys/)
    expect(() => credentials.trust('nobody')).toThrow(/Ed25519/)
  })

  test('tells of the certificate that matters when one of two is of an unknown root', async () => {
    const { credentials, make } = await setup()
    const init = { cluster, roles: ['member'] as const, serial: '2', notBefore: 0, notAfter: 9_000 }
    const peer = await peerOfSeed(2)
    const unknown = await issueCertificate(await keyOf(8), { ...init, peer })
    const late = await make(2, { notAfter: 10 })
    for (const shown of [
      [unknown, late],
      [late, unknown]
    ]) {
      await expect(credentials.verify(shown, peer)).rejects.toMatchObject({ reason: 'expired' })
    }
  })

  test('is not taken with a certificate that does not hold, and renewal changes nothing', async () => {
    const { credentials, make, rootKey } = await setup()
    const certificate = await make(1)
    const own = { cluster, rootPublicKey: rootKey.publicKey, certificate, clock: clockAt(1_000) }
    await expect(
      credentialsFromCertificate({ ...own, privateKey: await keyOf(2) })
    ).rejects.toMatchObject({ reason: 'wrong-peer' })
    const late = { ...own, clock: clockAt(5_001), privateKey: await keyOf(1) }
    await expect(credentialsFromCertificate(late)).rejects.toMatchObject({ reason: 'expired' })
    await expect(credentials.renew(await make(2))).rejects.toMatchObject({ reason: 'wrong-peer' })
    await expect(credentials.renew([])).rejects.toThrow(/1 to 2/)
    expect(await credentials.certificates()).toEqual([certificate])
    const renewed = await make(1, { notAfter: 9_000 })
    await credentials.renew(renewed)
    expect(await credentials.certificates()).toEqual([renewed])
  })
})

describe('open credentials', () => {
  test('admit everybody of the same cluster name and no holder of a secret', async () => {
    const open = await openCredentials({ cluster, privateKey: await keyOf(1) })
    const other = await openCredentials({ cluster, privateKey: await keyOf(2) })
    await open.verify(await other.certificates(), other.peer)
    const closed = await holder(3)
    await expect(open.verify(await closed.certificates(), closed.peer)).rejects.toMatchObject({
      reason: 'wrong-root'
    })
    await expect(closed.verify(await open.certificates(), open.peer)).rejects.toMatchObject({
      reason: 'wrong-root'
    })
    expect(() => open.revoke(other.peer)).toThrow(/secret or a root key/)
    expect(() => privateNetwork(open)).toThrow(/no pre-shared key/)
  })

  test('need an Ed25519 key', async () => {
    const privateKey = await generateKeyPair('secp256k1')
    await expect(openCredentials({ cluster, privateKey })).rejects.toThrow(/Ed25519/)
  })
})
