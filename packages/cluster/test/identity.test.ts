import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import {
  createInvitation,
  createIssuer,
  peerOf,
  readCertificate,
  readInvitation,
  storeCertificates,
  verifyCertificate
} from '@murmuration/identity'
import type { Admitted } from '@murmuration/identity'
import type { Clock, Rpc, Store } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createMemoryStore } from '@murmuration/storage'
import { systemClock, systemRandom as random } from '@murmuration/system'
import { describe, expect, test } from 'vitest'
import { credentialsOf } from '../src/credentials.ts'
import { defaults } from '../src/defaults.ts'
import { Identity } from '../src/identity.ts'
import type { CertificateIdentity, ClusterInit } from '../src/index.ts'
import { keepRoots } from '../src/roots.ts'
import { settingsOf } from '../src/settings.ts'

const name = 'vault'

/** The identity of one peer without a network: nobody answers it, unless it is said who does. */
async function identityOf(init: {
  readonly key: Ed25519PrivateKey
  readonly store: Store
  readonly identity?: CertificateIdentity
  /** In place of an identity. */
  readonly init?: Partial<ClusterInit>
  readonly knows?: (peer: string) => boolean
  readonly clock?: Clock
  /** Who is connected, and answers so. */
  readonly connected?: readonly string[]
  readonly call?: Rpc['call']
}) {
  const { key, store, knows = () => false, clock = systemClock } = init
  const { identity: certified } = init
  const settings = settingsOf({ name, ...(certified && { identity: certified }), ...init.init })
  const credentials = await credentialsOf(settings, key, store)
  // Only what is used of them.
  const rpc = {
    peer: peerOf(key.publicKey),
    handle: () => {},
    unhandle: () => {},
    call: init.call ?? (() => Promise.reject(new Error('nobody is there')))
  } as unknown as Rpc
  const admitted = {
    rolesOf: (peer: string) => (knows(peer) ? ['member'] : undefined),
    certificateOf: () => undefined
  } as unknown as Admitted
  const logged: string[] = []
  const identity = new Identity({
    settings,
    credentials,
    admitted,
    rpc,
    clock,
    random,
    store,
    log: (message) => void logged.push(message),
    connected: () => init.connected ?? [],
    addresses: () => ['/ip4/127.0.0.1/tcp/9']
  })
  return { identity, credentials, logged }
}

async function issuerOf(rootKey: Ed25519PrivateKey, key: Ed25519PrivateKey) {
  const issuer = createIssuer({ cluster: name, privateKey: rootKey })
  return { issuer, certificate: await issuer.issue(key.publicKey, ['member']) }
}

describe('a root key that is changed', () => {
  async function setup() {
    const [old, next, key] = [
      await generateKeyPair('Ed25519'),
      await generateKeyPair('Ed25519'),
      await generateKeyPair('Ed25519')
    ]
    const { certificate } = await issuerOf(old, key)
    const before = {
      rootPublicKey: old.publicKey.raw,
      certificate,
      issuer: { privateKey: old }
    }
    const both = [old.publicKey.raw, next.publicKey.raw]
    const store = createMemoryStore().sub('identity/')
    const start = (identity: CertificateIdentity = before) => identityOf({ key, store, identity })
    return { old, next, key, before, both, store, start, after: await issuerOf(next, key) }
  }

  /** The newest root key under which a peer lets itself be seen. */
  async function rootOf({ credentials }: Awaited<ReturnType<typeof identityOf>>) {
    const own = await credentials.certificates()
    return (await credentials.verify([own[0] ?? new Uint8Array()], credentials.peer)).root
  }

  test('stays changed after a restart with the options of before, until these say otherwise', async () => {
    const { next, both, start, before, after, key } = await setup()
    const first = await start()
    await first.identity.trust(both)
    await first.identity.renew(after.certificate)
    expect(await rootOf(await start())).toBe(peerOf(next.publicKey))
    await first.identity.trust(next.publicKey.raw)
    const again = await start()
    expect(await again.credentials.certificates()).toEqual([after.certificate])
    const other = await generateKeyPair('Ed25519')
    const { certificate } = await issuerOf(next, other)
    await again.credentials.verify([certificate], peerOf(other.publicKey))
    await expect(
      again.credentials.verify([before.certificate], again.credentials.peer)
    ).rejects.toMatchObject({ reason: 'wrong-root' })
    // A person has the last word.
    const third = await generateKeyPair('Ed25519')
    const { certificate: own } = await issuerOf(third, key)
    const last = { rootPublicKey: third.publicKey.raw, certificate: own }
    expect(await rootOf(await start(last))).toBe(peerOf(third.publicKey))
    expect(await rootOf(await start(last))).toBe(peerOf(third.publicKey))
  })

  test('is the newer one of what is on disk and what is given', async () => {
    const { next, both, store, start, before, after } = await setup()
    await storeCertificates(store, before.certificate)
    const given = { rootPublicKey: both, certificate: after.certificate }
    expect(await rootOf(await start(given))).toBe(peerOf(next.publicKey))
  })

  test('is kept by a peer that came by an invitation', async () => {
    const { old, next, both, key, store, after, before } = await setup()
    const issuer = createIssuer({ cluster: name, privateKey: old })
    const at = await generateKeyPair('Ed25519')
    const line = await createInvitation({
      issuer,
      roots: [old.publicKey],
      at: at.publicKey,
      addresses: ['/ip4/127.0.0.1/tcp/9'],
      ttlMs: 1
    })
    // As the first start leaves it.
    await keepRoots(store, [peerOf(old.publicKey)], { given: [peerOf(old.publicKey)] })
    await storeCertificates(store, before.certificate)
    const init = { invitation: line, bootstrap: ['/ip4/127.0.0.1/tcp/9'] }
    const first = await identityOf({ key, store, init })
    await first.identity.trust(both)
    await first.identity.renew(after.certificate)
    await first.identity.trust(next.publicKey.raw)
    expect(await rootOf(await identityOf({ key, store, init }))).toBe(peerOf(next.publicKey))
  })

  test('is not gone back from by a renewal or an invitation, and takes a new issuer', async () => {
    const { old, next, both, start, after } = await setup()
    const peer = await start()
    const { identity, credentials } = peer
    await identity.renew()
    await identity.trust(both)
    // Nobody issues for the next one yet, and the present one still counts.
    await identity.renew()
    expect(await rootOf(peer)).toBe(peerOf(old.publicKey))
    await expect(identity.invite()).rejects.toThrow(/being replaced/)
    await identity.renew(after.certificate)
    await expect(identity.renew()).rejects.toThrow(/renews certificates/)
    expect(await credentials.certificates()).toEqual([after.certificate])
    await expect(identity.trust(both, { issuer: { privateKey: old } })).rejects.toThrow(/newest/)
    await identity.trust(both, { issuer: { privateKey: next } })
    await identity.renew()
    expect(await rootOf(peer)).toBe(peerOf(next.publicKey))
    const { pass, roots } = await readInvitation(await identity.invite())
    expect(roots).toEqual([peerOf(old.publicKey), peerOf(next.publicKey)])
    const seen = { cluster: name, peer: readCertificate(pass).peer, now: Date.now() }
    await verifyCertificate(pass, { ...seen, roots: [next.publicKey] })
    const { logged } = await start()
    expect(logged).toEqual([])
  })

  test('is shown to those who are connected before anybody who comes anew, and to those again who were silent', async () => {
    const { both, key, store, before, after } = await setup()
    const shown: string[] = []
    let own: () => Promise<readonly Uint8Array[]> = () => Promise.resolve([])
    const { identity, credentials } = await identityOf({
      key,
      store,
      identity: before,
      connected: ['quick', 'silent'],
      call: async (peer) => {
        const [certificate] = await own()
        const isNext = certificate?.toString() === after.certificate.toString()
        shown.push(`${peer}, newcomers see the ${isNext ? 'next' : 'old'} one`)
        if (peer === 'silent') throw new Error('no answer')
        return new Uint8Array()
      }
    })
    own = () => credentials.certificates()
    await identity.trust(both)
    await identity.renew(after.certificate)
    expect(shown).toEqual([
      'quick, newcomers see the old one',
      'silent, newcomers see the old one',
      'silent, newcomers see the next one',
      'silent, newcomers see the next one',
      'silent, newcomers see the next one'
    ])
  })

  test('is not dropped by a peer that shows a certificate of it', async () => {
    const { old, next, both, start } = await setup()
    const peer = await start()
    await expect(peer.identity.trust(next.publicKey.raw)).rejects.toThrow(/renew it first/)
    await peer.identity.trust(both)
    await expect(peer.identity.trust(next.publicKey.raw)).rejects.toThrow(/renew it first/)
    expect(await rootOf(await start())).toBe(peerOf(old.publicKey))
  })
})

describe('evidence', () => {
  test('is kept of each liar once, of so many, and of no stranger', async () => {
    const [rootKey, key] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
    const { certificate } = await issuerOf(rootKey, key)
    const { identity, logged } = await identityOf({
      key,
      store: createMemoryStore().sub('identity/'),
      identity: { rootPublicKey: rootKey.publicKey.raw, certificate },
      knows: (peer) => peer !== 'stranger'
    })
    const proposed: unknown[] = []
    const membership = {
      view: undefined,
      addEventListener: () => {},
      propose: (proposal: unknown) => Promise.resolve(proposed.push(proposal))
    }
    identity.follow(membership as unknown as JoiningMembership)
    const proof = { stream: 's', sequence: 1, one: Uint8Array.of(1), other: Uint8Array.of(2) }
    await identity.accuse({ ...proof, signer: 'stranger' })
    expect([await identity.evidence(), proposed]).toEqual([[], []])
    const liars = await Promise.all(
      Array.from({ length: defaults.evidenceMax + 1 }, async () =>
        peerOf((await generateKeyPair('Ed25519')).publicKey)
      )
    )
    for (const signer of liars) await identity.accuse({ ...proof, signer })
    await identity.accuse({ ...proof, signer: liars[0] ?? '', sequence: 2 })
    const kept = await identity.evidence()
    expect(kept.map(({ signer }) => signer)).toEqual(liars.slice(0, -1).toSorted())
    expect(new Set(kept.map(({ sequence }) => sequence))).toEqual(new Set([1]))
    expect(logged).toContain('there is no room for more evidence')
    // Shut out are all of them.
    expect(proposed).toHaveLength(defaults.evidenceMax + 2)
  })
})
