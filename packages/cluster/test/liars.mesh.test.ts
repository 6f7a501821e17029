import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import type { Cluster } from '@murmuration/cluster'
import { createIssuer, createOpener, loadOrCreateKey } from '@murmuration/identity'
import { describe, expect, it } from 'vitest'
import { batchOf, domain, targetOf, topicOf } from './batches.ts'
import { outsider } from './outsider.ts'
import type { Outsider } from './outsider.ts'
import { certified, mesh, name, until } from './vault.ts'

const topic = topicOf(name)

async function vault(): Promise<{
  readonly first: Cluster
  readonly second: Cluster
  readonly bad: Cluster
  readonly badKey: Ed25519PrivateKey
  readonly edge: Outsider
}> {
  const rootKey = await generateKeyPair('Ed25519')
  const inits = [await certified(rootKey), await certified(rootKey), await certified(rootKey)]
  const [first, second, bad] = await mesh(inits)
  if (!first || !second || !bad) throw new Error('no peers')
  for (const peer of [first, second]) peer.signals.subscribe('**', () => {})
  const issuer = createIssuer({ cluster: name, privateKey: rootKey })
  const edge = await outsider({ rootKey, issuer, cluster: name, roles: ['edge'] })
  await edge.dial(first.addresses)
  const badKey = await loadOrCreateKey(join(inits[2]?.dataDir ?? '', 'peer.key'))
  return { first, second, bad, badKey, edge }
}

/** Sends to one peer, which says what it makes of it. */
async function deliver(edge: Outsider, to: Cluster, bytes: Uint8Array): Promise<string> {
  return await edge.rpc.call(to.peerId, 'signals.deliver', bytes, { timeoutMs: 5_000 }).then(
    () => 'taken',
    (error: unknown) => (error instanceof Error ? error.name : String(error))
  )
}

async function gossip(edge: Outsider, bytes: Uint8Array): Promise<void> {
  await until('subscribed', () => edge.subscribers(topic) > 0)
  expect(await edge.gossip(topic, bytes)).toBeGreaterThan(0)
}

const revoked = ({ view }: Cluster): readonly string[] => view?.revoked?.peers ?? []

/** A proof is one for whoever has the bytes. */
async function proofsOf(peer: Cluster): Promise<readonly string[]> {
  const proofs = (await peer.identity?.evidence()) ?? []
  for (const { one, other, signer } of proofs) {
    expect(one).not.toEqual(other)
    for (const said of [one, other]) {
      expect((await createOpener().open(said, { domain })).signer).toBe(signer)
    }
  }
  return proofs.map(({ signer }) => signer)
}

describe('two signals under one number', () => {
  it('shut out the edge peer that has delivered them, with a proof, however large', async () => {
    const { first, second, bad, edge } = await vault()
    const channel = targetOf(name, first.peerId)
    for (const id of ['one', 'one', 'two']) {
      expect(revoked(first)).toEqual([])
      await deliver(edge, first, await batchOf(edge.key, id, { channel, padding: 20_000 }))
    }
    await until('out', () => [first, second, bad].every((peer) => revoked(peer).length === 1))
    expect(revoked(first)).toEqual([edge.peer])
    await until('cut', () => edge.connections() === 0)
    await expect(edge.dial(second.addresses)).rejects.toThrow()
    expect(await proofsOf(first)).toEqual([edge.peer])
    await edge.stop()
  })

  it('shut out the member that has signed them, whoever passes them on by gossip', async () => {
    const { first, second, bad, badKey, edge } = await vault()
    for (const id of ['one', 'two']) await gossip(edge, await batchOf(badKey, id))
    await until('out', () => [first, second].every((peer) => peer.members().length === 2))
    expect(revoked(first)).toEqual([bad.peerId])
    expect(await proofsOf(first)).toEqual([bad.peerId])
    expect(edge.connections()).toBe(1)
    await edge.stop()
  })

  it('are nothing where their key is nobody’s, or they are of another cluster', async () => {
    const { first, second, bad, badKey, edge } = await vault()
    const channel = targetOf(name, first.peerId)
    for (let count = 0; count < 10; count++) {
      const key = await generateKeyPair('Ed25519')
      for (const id of ['one', 'two']) {
        expect(await deliver(edge, first, await batchOf(key, id, { channel }))).not.toBe('taken')
        await gossip(edge, await batchOf(key, id))
      }
    }
    for (const id of ['one', 'two']) {
      await gossip(edge, await batchOf(badKey, id, { cluster: 'other', channel: topic }))
    }
    const before = first.view?.number
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    for (const peer of [first, second, bad]) {
      expect(revoked(peer)).toEqual([])
      expect(await peer.identity?.evidence()).toEqual([])
    }
    expect(first.view?.number).toBe(before)
    await edge.stop()
  })
})
