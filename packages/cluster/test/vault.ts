import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { CertificateIdentity, Cluster, ClusterInit } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { createIssuer, loadOrCreateKey } from '@murmuration/identity'
import type { Role } from '@murmuration/interface'
import { afterAll, afterEach } from 'vitest'
import { z } from 'zod'

/** Peers of a cluster with credentials, on real sockets; each test file stops its own. */
export const name = 'vault'
export const tally = defineAgent({
  type: 'tally',
  state: { count: counter() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.count.increment(input)
        return state.count.value
      }
    }
  }
})

export const folder = mkdtempSync(join(tmpdir(), 'cluster-identity-'))
export const running: Cluster[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((cluster) => cluster.stop()))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const listen = ['/ip4/127.0.0.1/tcp/0']
let folders = 0

export async function start(init: Partial<ClusterInit>): Promise<Cluster> {
  const cluster = await createCluster({ name, agents: [tally], listen, ...init })
  running.push(cluster)
  return cluster
}

/** What a peer with a key on disk starts with, certified by a root key. */
export async function certified(
  rootKey: Ed25519PrivateKey,
  init: { ttlMs?: number; roles?: Role[]; isIssuer?: boolean } = {}
): Promise<{ dataDir: string; identity: CertificateIdentity }> {
  const dataDir = join(folder, String(folders++))
  const key = await loadOrCreateKey(join(dataDir, 'peer.key'))
  const { ttlMs = 3_600_000, roles = ['member'], isIssuer = false } = init
  const issuer = createIssuer({ cluster: name, privateKey: rootKey, ttlMs })
  return {
    dataDir,
    identity: {
      rootPublicKey: rootKey.publicKey.raw,
      certificate: await issuer.issue(key.publicKey, roles),
      ...(isIssuer ? { issuer: { privateKey: rootKey, ttlMs } } : {})
    }
  }
}

export async function mesh(inits: readonly Partial<ClusterInit>[]): Promise<Cluster[]> {
  const [first, ...rest] = inits
  const founder = await start(first ?? {})
  const bootstrap = founder.addresses
  const others = await Promise.all(rest.map((init) => start({ ...init, bootstrap })))
  const all = [founder, ...others]
  await Promise.all(all.map((each) => each.ready()))
  await until('one view', () => all.every((each) => each.members().length === all.length))
  return all
}

export async function until(
  what: string,
  holds: () => boolean,
  timeoutMs = 15_000
): Promise<number> {
  const from = performance.now()
  while (!holds()) {
    if (performance.now() - from > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - from
}

/** Calls agents through every peer until it is stopped; tells how many went well and which failed. */
export function traffic(
  peers: readonly Cluster[]
): () => Promise<{ calls: number; failures: unknown[] }> {
  let isOver = false
  const result = { calls: 0, failures: [] as unknown[] }
  const callers = peers.map(async (peer, index) => {
    for (let call = 0; !isOver; call++) {
      try {
        await peer.agent(tally, `t${(call + index) % 7}`).call('add', 1)
        result.calls++
      } catch (error) {
        result.failures.push(error)
      }
    }
  })
  return async () => {
    // Without enough calls before the end this would show nothing.
    await until('enough calls', () => result.calls >= 30, 30_000)
    isOver = true
    await Promise.all(callers)
    return result
  }
}

/** Connections between these peers that ended. */
export function disconnects(peers: readonly Cluster[]): () => number {
  let count = 0
  const ids = peers.map(({ peerId }) => peerId)
  for (const peer of peers) {
    peer.discovery?.addEventListener('disconnected', ({ detail }) => {
      if (ids.includes(detail.peer)) count++
    })
  }
  return () => count
}
