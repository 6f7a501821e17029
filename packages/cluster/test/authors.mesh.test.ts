import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import type { Cluster } from '@murmuration/cluster'
import { createIssuer } from '@murmuration/identity'
import type { Role } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { batchOf, topicOf } from './batches.ts'
import { outsider } from './outsider.ts'
import { certified, mesh, name, start, until } from './vault.ts'

const topic = topicOf(name)

/** Two edge peers at one member: what one of them says comes to the other through that member. */
async function peersInLine(
  rootKey: Ed25519PrivateKey
): Promise<{ readonly left: Cluster; readonly middle: Cluster; readonly right: Cluster }> {
  const [middle] = await mesh([await certified(rootKey)])
  if (middle === undefined) throw new Error('no peer')
  const edge = async (): Promise<Cluster> => {
    const init = await certified(rootKey, { roles: ['edge'] })
    // Nobody can dial it, the other one neither.
    const dials = { listen: [], bootstrap: middle.addresses }
    const peer = await start({ ...init, role: 'edge', ...dials })
    await peer.ready()
    return peer
  }
  return { left: await edge(), middle, right: await edge() }
}

function apart(left: Cluster, right: Cluster): boolean {
  return (
    left.discovery?.connected().includes(right.peerId) === false &&
    right.discovery?.connected().includes(left.peerId) === false
  )
}

describe('signals that somebody passes on', () => {
  it('arrive from an author that who gets them has never met', async () => {
    const { left, middle, right } = await peersInLine(await generateKeyPair('Ed25519'))
    const heard: string[] = []
    middle.signals.subscribe('**', () => {})
    right.signals.subscribe('note.*', ({ data }, { author }) => {
      heard.push(`${String(data)} by ${author}`)
    })
    let sent = 0
    await until('heard', () => {
      sent++
      void left.signals.publish({ type: 'note.sent', data: sent })
      return heard.length > 3
    })
    expect(apart(left, right)).toBe(true)
    expect(heard.every((line) => line.endsWith(`by ${left.peerId}`))).toBe(true)
  })

  it('arrive at least once, from the log of the member that has a copy', async () => {
    const { left, middle, right } = await peersInLine(await generateKeyPair('Ed25519'))
    const handled: unknown[] = []
    await right.signals.subscribeDurably('order.*', ({ data }) => void handled.push(data), {
      name: 'desk'
    })
    const { accepted } = await left.signals.publish(
      { type: 'order.made', data: 7 },
      { delivery: 'at-least-once' }
    )
    expect(accepted).toBe(true)
    await until('handled', () => handled.length > 0)
    expect(handled).toEqual([7])
    expect(apart(left, right)).toBe(true)
    expect(middle.members()).toHaveLength(1)
  })

  it('do not arrive where a member has made up their author, or it may not publish', async () => {
    const rootKey = await generateKeyPair('Ed25519')
    const { middle, right } = await peersInLine(rootKey)
    const heard: string[] = []
    for (const [where, peer] of [middle, right].entries()) {
      peer.signals.subscribe('**', ({ id }) => void heard.push(`${id} at ${where}`))
    }
    const issuer = createIssuer({ cluster: name, privateKey: rootKey })
    const otherKey = await generateKeyPair('Ed25519')
    const otherIssuer = createIssuer({ cluster: name, privateKey: otherKey })
    const otherCluster = createIssuer({ cluster: 'other', privateKey: rootKey })
    const by = async (id: string, of = issuer, roles: Role[] = ['edge']): Promise<Uint8Array> => {
      const key = await generateKeyPair('Ed25519')
      return await batchOf(key, id, { certificates: [await of.issue(key.publicKey, roles)] })
    }
    const bad = await outsider({ rootKey, issuer, cluster: name, roles: ['member'] })
    await bad.dial(middle.addresses)
    await until('subscribed', () => bad.subscribers(topic) > 0)
    for (const bytes of [
      await batchOf(await generateKeyPair('Ed25519'), 'stranger'),
      await by('other root', otherIssuer),
      await by('other cluster', otherCluster),
      await by('guest', issuer, ['guest']),
      await by('certified'),
      await batchOf(bad.key, 'own')
    ]) {
      // One after the other, as they are to come.
      // oxlint-disable-next-line no-await-in-loop
      expect(await bad.gossip(topic, bytes)).toBeGreaterThan(0)
    }
    await until('heard', () => heard.includes('certified at 0') && heard.includes('own at 0'))
    await until('passed on', () => heard.includes('certified at 1'))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const honest = heard.filter((line) => /^(certified|own) /v.test(line))
    expect(heard.toSorted()).toEqual(honest.toSorted())
    await bad.stop()
  })
})
