import { generateKeyPair } from '@libp2p/crypto/keys'
import { createIssuer } from '@murmuration/identity'
import { describe, expect, it } from 'vitest'
import { outsider } from './outsider.ts'
import { certified, disconnects, mesh, name, traffic } from './vault.ts'

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
})
