import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { createIssuer } from '@murmuration/identity'
import { describe, expect, it } from 'vitest'
import { outsider } from './outsider.ts'
import {
  certified,
  disconnects,
  folder,
  mesh,
  name,
  running,
  start,
  tally,
  traffic,
  until
} from './vault.ts'

/** Whether a peer shows a certificate of this root key: who trusts no other one gets through to it. */
async function shows(peer: Cluster, rootKey: Ed25519PrivateKey): Promise<boolean> {
  const issuer = createIssuer({ cluster: name, privateKey: rootKey })
  const probe = await outsider({ rootKey, issuer, cluster: name, roles: ['guest'] })
  try {
    await probe.dial(peer.addresses)
    return true
  } catch {
    return false
  } finally {
    await probe.stop()
  }
}

async function restarted(peer: Cluster, init: Partial<ClusterInit>): Promise<Cluster> {
  await peer.stop()
  running.splice(running.indexOf(peer), 1)
  const again = await start(init)
  await again.ready()
  return again
}

describe('a cluster', () => {
  it('changes its root key under traffic without one failed call', async () => {
    const [old, next] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
    const inits = [await certified(old), await certified(old), await certified(old)]
    const peers = await mesh(inits)
    const lost = disconnects(peers)
    const stop = traffic(peers)
    const both = [old.publicKey.raw, next.publicKey.raw]
    for (const peer of peers) await peer.identity?.trust(both)
    const issuer = createIssuer({ cluster: name, privateKey: next })
    for (const peer of peers)
      await peer.identity?.renew(await issuer.issue(peer.peerId, ['member']))
    for (const peer of peers) await peer.identity?.trust(next.publicKey.raw)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const { calls, failures } = await stop()
    expect(failures).toEqual([])
    expect(calls).toBeGreaterThanOrEqual(30)
    expect(lost()).toBe(0)
    // Who only has a certificate of the old one is a stranger now.
    const late = await outsider({
      rootKey: old,
      issuer: createIssuer({ cluster: name, privateKey: old }),
      cluster: name
    })
    await expect(late.dial(peers[0]?.addresses ?? [])).rejects.toThrow()
    await late.stop()
  })

  it('changes it with an issuer: peers renew by themselves, invited ones too, and all restart', async () => {
    const [old, next] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
    const ttlMs = 8_000
    const inits = [await certified(old, { ttlMs, isIssuer: true }), await certified(old, { ttlMs })]
    const [founder, second] = await mesh(inits)
    if (!founder || !second) throw new Error('no peers')
    const bootstrap = founder.addresses
    const line = (await founder.identity?.invite()) ?? ''
    const invitation = { invitation: line, bootstrap, dataDir: join(folder, 'rotated') }
    const third = await start(invitation)
    await third.ready()
    const peers = [founder, second, third]
    await until('one view', () => peers.every((each) => each.members().length === 3))
    const lost = disconnects(peers)
    const stop = traffic(peers)
    const both = [old.publicKey.raw, next.publicKey.raw]
    for (const peer of peers) await peer.identity?.trust(both)
    await founder.identity?.trust(both, { issuer: { privateKey: next, ttlMs } })
    for (const peer of peers) {
      // Nobody tells them to: they renew at half of the life of their certificates.
      const from = performance.now()
      while (!(await shows(peer, next))) {
        expect(performance.now() - from).toBeLessThan(30_000)
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
    // What a newcomer is shown, those who are connected have been shown before.
    for (const peer of peers) await peer.identity?.trust(next.publicKey.raw)
    const { failures } = await stop()
    expect(failures).toEqual([])
    expect(lost()).toBe(0)
    const again = [
      await restarted(third, invitation),
      await restarted(second, { ...inits[1], bootstrap })
    ]
    // Longer than a certificate lives: the new issuer renews those of the new root key.
    await new Promise((resolve) => setTimeout(resolve, ttlMs + 2_000))
    for (const peer of again) {
      expect(peer.discovery?.connected()).toContain(founder.peerId)
      expect(await peer.agent(tally, 'after').call('add', 1)).toBeGreaterThan(0)
      expect(await shows(peer, old)).toBe(false)
    }
    const late = await start({ invitation: (await founder.identity?.invite()) ?? '', bootstrap })
    await late.ready()
    expect(late.discovery?.connected()).toContain(founder.peerId)
  })

  it('does not call a peer ready that comes back with a certificate that nobody trusts', async () => {
    const [root, other] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
    const inits = [await certified(root), await certified(root), await certified(root)]
    const [first, , third] = await mesh(inits)
    if (!first || !third) throw new Error('no peers')
    const { peerId } = third
    await third.stop()
    running.splice(running.indexOf(third), 1)
    const issuer = createIssuer({ cluster: name, privateKey: other })
    const identity = {
      rootPublicKey: other.publicKey.raw,
      certificate: await issuer.issue(peerId, ['member'])
    }
    const shutOut = await start({ ...inits[2], bootstrap: first.addresses, identity })
    // Its view of before says that it is a member, and that the others are down.
    expect(shutOut.members()).toHaveLength(3)
    await expect(shutOut.ready({ signal: AbortSignal.timeout(6_000) })).rejects.toThrow(/not ready/)
    expect(shutOut.status).toBe('starting')
    expect(shutOut.discovery?.connected()).toEqual([])
  })
})
