import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { createIssuer, peerOf } from '@murmuration/identity'
import type { Admitted } from '@murmuration/identity'
import type { Clock, Rpc, Store } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createMemoryStore } from '@murmuration/storage'
import { systemClock, systemRandom as random } from '@murmuration/system'
import { describe, expect, test } from 'vitest'
import { credentialsOf } from '../src/credentials.ts'
import { defaults } from '../src/defaults.ts'
import { Identity } from '../src/identity.ts'
import type { CertificateIdentity } from '../src/index.ts'
import { settingsOf } from '../src/settings.ts'

const name = 'vault'

/** The identity of one peer without a network: nobody answers it. */
async function identityOf(init: {
  readonly key: Ed25519PrivateKey
  readonly store: Store
  readonly identity: CertificateIdentity
  readonly knows?: (peer: string) => boolean
  readonly clock?: Clock
}) {
  const { key, store, knows = () => false, clock = systemClock } = init
  const settings = settingsOf({ name, identity: init.identity })
  const credentials = await credentialsOf(settings, key, store)
  // Only what is used of them.
  const rpc = {
    peer: peerOf(key.publicKey),
    handle: () => {},
    unhandle: () => {},
    call: () => Promise.reject(new Error('nobody is there'))
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
    connected: () => [],
    addresses: () => ['/ip4/127.0.0.1/tcp/9']
  })
  return { identity, credentials, logged }
}

async function issuerOf(rootKey: Ed25519PrivateKey, key: Ed25519PrivateKey) {
  const issuer = createIssuer({ cluster: name, privateKey: rootKey })
  return { issuer, certificate: await issuer.issue(key.publicKey, ['member']) }
}

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
