import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import {
  createIssuer,
  createProofs,
  credentialsFromCertificate,
  credentialsFromSecret,
  peerOf
} from '@murmuration/identity'
import type { Credentials, Proofs } from '@murmuration/identity'
import type { Role } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { Push, PushReply } from '../src/core/messages.ts'
import { topicName, topicNumber } from '../src/core/pattern.ts'
import { Batch, encodeSignal } from '../src/core/wire.ts'
import { createSignalSigner } from '../src/index.ts'
import type { SignalAuthors, SignalSigner } from '../src/index.ts'
import { fakeSigner, settle, testCluster } from './fakes.ts'
import type { TestBus, TestCluster } from './fakes.ts'

const topic = topicName('default', topicNumber('order'))
const hour = 3_600_000
const secret = 'a secret that is long enough'

async function keyOf(seed: number): Promise<Ed25519PrivateKey> {
  return await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(seed))
}

/** One peer that takes signals of admitted authors, and others that are not connected to it. */
interface Scene {
  readonly cluster: TestCluster
  readonly receiver: TestBus
  readonly credentials: Credentials
  readonly proofs: Proofs
  /** Signatures of envelopes that were checked. */
  readonly opened: () => number
  certificate(author: Ed25519PrivateKey, change?: Certified): Promise<Uint8Array>
}

interface Certified {
  readonly rootSeed?: number
  readonly name?: string
  readonly roles?: readonly Role[]
  readonly ttlMs?: number
}

function authorsOver(credentials: Credentials, proofs: Proofs): SignalAuthors {
  return {
    shown: () => credentials.certificates(),
    knows: () => false,
    proves: async (author, shown, at) =>
      (await proofs.check(author, shown, at))?.roles.some((role) => role !== 'guest') === true
  }
}

async function scene(ofSecret = false): Promise<Scene> {
  const cluster = testCluster()
  const { clock } = cluster
  const own = await keyOf(1)
  const certificate: Scene['certificate'] = async (author, change = {}) => {
    const { rootSeed = 9, name = 'default', roles = ['edge'], ttlMs = 24 * hour } = change
    const issuer = createIssuer({ cluster: name, privateKey: await keyOf(rootSeed), ttlMs, clock })
    return await issuer.issue(author.publicKey, roles)
  }
  const credentials = ofSecret
    ? await credentialsFromSecret({ cluster: 'default', secret, privateKey: own, clock })
    : await credentialsFromCertificate({
        cluster: 'default',
        privateKey: own,
        rootPublicKey: (await keyOf(9)).publicKey,
        certificate: await certificate(own, { roles: ['member'] }),
        clock
      })
  const proofs = createProofs(credentials)
  let opened = 0
  const inner = createSignalSigner({ privateKey: own, clock })
  const signer: SignalSigner = {
    ...inner,
    open: (bytes) => {
      opened += 1
      return inner.open(bytes)
    }
  }
  const receiver = await cluster.bus(peerOf(own.publicKey), {
    components: { signer, authors: authorsOver(credentials, proofs) }
  })
  receiver.listen('order.*')
  return { cluster, receiver, credentials, proofs, opened: () => opened, certificate }
}

async function batchBy(
  { cluster }: Scene,
  author: Ed25519PrivateKey,
  certificates: readonly Uint8Array[] | undefined,
  first = 1
): Promise<Uint8Array> {
  const signal = {
    specversion: '1.0' as const,
    id: '1',
    source: '/x',
    type: 'order.created',
    data: first
  }
  const signals = [encodeSignal(signal)]
  const batch = { cluster: 'default', channel: topic, boot: 1, first, since: first, attempt: 0 }
  const payload = Batch.encode({ ...batch, signals, certificates })
  return await createSignalSigner({ privateKey: author, clock: cluster.clock }).seal(payload, first)
}

/** Hands it over by gossip, as a neighbour that passes on what it got. */
async function gossiped(the: Scene, bytes: Uint8Array): Promise<string> {
  const own = the.credentials.peer
  const verdict = await the.cluster.gossip.inject(own, { topic, bytes, from: 'neighbour' })
  await settle()
  return verdict
}

/** The same as what comes out of a log. */
async function pushed(the: Scene, bytes: Uint8Array): Promise<string | undefined> {
  const request = Push.encode({ originals: [bytes], sync: 0 })
  const { clock, rpc } = the.cluster
  const to = the.credentials.peer
  const reply = await rpc.call('neighbour', to, 'signals.push', request, clock)
  await settle()
  return PushReply.decode(reply).words[0]
}

const refused = { 'rejected:not-a-member': 1 }

describe('signals of an author that this peer is not connected to', () => {
  it('are delivered and sent on with its certificate, whoever passes them on, which is checked once', async () => {
    const the = await scene()
    const author = await keyOf(2)
    const certificate = await the.certificate(author)
    for (const first of [1, 2]) {
      expect(await gossiped(the, await batchBy(the, author, [certificate], first))).toBe('accept')
    }
    expect(await pushed(the, await batchBy(the, author, [certificate], 3))).toBe('logged')
    expect(the.receiver.got).toEqual([1, 2, 3])
    expect(the.proofs.size).toBe(1)
    expect(certificate.length).toBeLessThan(400)
  })

  it('are refused without one, before a signature is looked at or anything is remembered', async () => {
    const the = await scene()
    expect(await gossiped(the, await batchBy(the, await keyOf(2), undefined))).toBe('ignore')
    expect(await pushed(the, await batchBy(the, await keyOf(3), []))).toBe('not-a-member')
    expect(the.receiver.bus.counters()).toEqual({ 'rejected:not-a-member': 2 })
    expect([the.receiver.got, the.opened(), the.proofs.size]).toEqual([[], 0, 0])
  })

  it.each<[string, Certified]>([
    ['another root key', { rootSeed: 8 }],
    ['another cluster', { name: 'other' }],
    ['a guest, which may not publish', { roles: ['guest'] }]
  ])('are refused with the certificate of %s', async (_, change) => {
    const the = await scene()
    const author = await keyOf(2)
    const certificate = await the.certificate(author, change)
    expect(await gossiped(the, await batchBy(the, author, [certificate]))).toBe('ignore')
    expect(the.receiver.bus.counters()).toEqual(refused)
    expect([the.receiver.got, the.opened()]).toEqual([[], 0])
  })

  it('are refused with the certificate of somebody else, or a changed one', async () => {
    const the = await scene()
    const certificate = await the.certificate(await keyOf(2))
    const author = await keyOf(3)
    const changed = (await the.certificate(author)).map((byte, at) => (at === 40 ? byte ^ 1 : byte))
    for (const shown of [[certificate], [changed], [certificate, changed], [new Uint8Array(9)]]) {
      expect(await gossiped(the, await batchBy(the, author, shown))).toBe('ignore')
    }
    expect([the.receiver.got, the.proofs.size]).toEqual([[], 0])
  })

  it('are refused where its certificate stands beside what somebody else has signed', async () => {
    const the = await scene()
    const author = await keyOf(2)
    const honest = await batchBy(the, author, [await the.certificate(author)])
    const forged = honest.map((byte, at) => (at === honest.length - 3 ? byte ^ 1 : byte))
    expect(await gossiped(the, forged)).toBe('reject')
    expect(the.receiver.got).toEqual([])
  })

  it('are refused when its certificate has expired, but for what a log has from before', async () => {
    const the = await scene()
    const author = await keyOf(2)
    const certificates = [await the.certificate(author, { ttlMs: 60_000 })]
    const [fresh, before] = [1, 2].map((first) => batchBy(the, author, certificates, first))
    expect(await gossiped(the, (await fresh) ?? new Uint8Array())).toBe('accept')
    await the.cluster.clock.advance(90_000)
    const after = await batchBy(the, author, certificates, 3)
    expect(await gossiped(the, after)).toBe('ignore')
    expect(await pushed(the, after)).toBe('not-a-member')
    expect(await gossiped(the, (await before) ?? new Uint8Array())).toBe('ignore')
    expect(await pushed(the, (await before) ?? new Uint8Array())).toBe('logged')
    expect(the.receiver.got).toEqual([1, 2])
    // No longer than logs keep what they have: who is back-dated further was out of them long ago.
    const old = await batchBy(the, author, certificates, 4)
    await the.cluster.clock.advance(hour)
    expect(await pushed(the, old)).toBe('not-a-member')
  })

  it('are refused once it is revoked, also from logs, though its certificate was good before', async () => {
    const the = await scene()
    const author = await keyOf(2)
    const certificates = [await the.certificate(author)]
    expect(await gossiped(the, await batchBy(the, author, certificates))).toBe('accept')
    the.credentials.revoke(author.publicKey)
    const more = await batchBy(the, author, certificates, 2)
    expect(await gossiped(the, more)).toBe('ignore')
    expect(await pushed(the, more)).toBe('not-a-member')
    expect(the.receiver.got).toEqual([1])
  })

  it('are taken with a secret from whoever has it, and nobody else', async () => {
    const the = await scene(true)
    const { clock } = the.cluster
    const privateKey = await keyOf(2)
    const of = async (word: string): Promise<readonly Uint8Array[]> => {
      const init = { cluster: 'default', secret: word, privateKey, clock }
      return await (await credentialsFromSecret(init)).certificates()
    }
    const wrong = await of('another secret of that length')
    expect(await gossiped(the, await batchBy(the, privateKey, wrong))).toBe('ignore')
    expect(await gossiped(the, await batchBy(the, privateKey, await of(secret)))).toBe('accept')
    expect(the.receiver.got).toEqual([1])
  })

  it('carry what this peer shows, so that others can tell', async () => {
    const the = await scene()
    await the.receiver.bus.publish({ type: 'order.created' })
    const sent = the.cluster.gossip.sent[0]?.bytes ?? new Uint8Array()
    const { payload } = await createSignalSigner({
      privateKey: await keyOf(3),
      clock: the.cluster.clock
    }).open(sent)
    expect(Batch.decode(payload).certificates).toEqual(await the.credentials.certificates())
  })

  it('need a signer that tells what is claimed', async () => {
    const the = await scene()
    const cluster = testCluster()
    const authors = authorsOver(the.credentials, the.proofs)
    const signer = fakeSigner('a', cluster.clock)
    await expect(cluster.bus('a', { components: { signer, authors } })).rejects.toThrow('claimed')
  })
})
