import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { dns } from '../src/index.ts'
import type { DnsQuestion } from '../src/index.ts'
import { startDnsServer } from './dns-server.ts'
import type { DnsServer } from './dns-server.ts'
import { createNode, until } from './mesh-nodes.ts'
import type { Node, NodeInit } from './mesh-nodes.ts'

const nodes: Node[] = []
const started: DnsServer[] = []

async function start(init: NodeInit = {}): Promise<Node> {
  const node = await createNode(init)
  nodes.push(node)
  return node
}

async function startServer(): Promise<DnsServer> {
  const server = await startDnsServer()
  started.push(server)
  return server
}

function portOf(node: Node): number {
  return Number(/\/tcp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1])
}

function seeker(server: DnsServer, ...questions: DnsQuestion[]): NodeInit {
  const servers = [server.address]
  return { strategies: [dns({ questions, servers, refreshMs: 1_000, backoffMaxMs: 500 })] }
}

function isConnected(node: Node, other: Node): () => boolean {
  return () => node.services.discovery.connected().includes(other.peerId.toString())
}

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
  await Promise.all(started.splice(0).map(async (server) => server.stop()))
})

describe('peers in DNS', () => {
  it('are found by A records, as of a Kubernetes headless service, also ones that come later', async () => {
    const server = await startServer()
    const host = 'murmuration.default.svc.cluster.local'
    const one = await start({ host: '127.0.0.2' })
    const port = portOf(one)
    const another = await start({ host: '127.0.0.3', port })
    const self = await start({ host: '127.0.0.4', port, ...seeker(server, { host, port }) })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(self.services.discovery.connected()).toEqual([])
    // The service lists its own peer, too, and a pod that is gone.
    server.zone.set(host, [
      { type: 'A', data: '127.0.0.4' },
      { type: 'A', data: '127.0.0.2' },
      { type: 'A', data: '127.0.0.99' }
    ])
    await until('the first', isConnected(self, one))
    server.zone.set(host, [{ type: 'A', data: '127.0.0.3' }])
    await until('the second', isConnected(self, another))
    // A record that is gone does not cut a live member.
    expect(isConnected(self, one)()).toBe(true)
  })

  it('are found by SRV records with their ports', async () => {
    const server = await startServer()
    const [one, another] = [await start(), await start({ host: '127.0.0.2' })]
    const service = '_peer._tcp.murmuration.default.svc.cluster.local'
    server.zone.set('pod-0.murmuration', [{ type: 'A', data: '127.0.0.1' }])
    server.zone.set('pod-1.murmuration', [{ type: 'A', data: '127.0.0.2' }])
    server.zone.set(service, [
      { type: 'SRV', data: { target: 'pod-0.murmuration', port: portOf(one) } },
      { type: 'SRV', data: { target: 'pod-1.murmuration', port: portOf(another), priority: 1 } }
    ])
    const self = await start(seeker(server, { service }))
    await until('both', () => isConnected(self, one)() && isConnected(self, another)())
  })

  it('are found by dnsaddr records through other names, and one that moved is found again', async () => {
    const server = await startServer()
    const one = await start()
    const peer = one.peerId.toString()
    server.zone.set('_dnsaddr.example.org', [
      { type: 'TXT', data: 'other text' },
      { type: 'TXT', data: 'dnsaddr=/dnsaddr/loop.example.org' },
      { type: 'TXT', data: `dnsaddr=/dnsaddr/eu.example.org/p2p/${peer}` }
    ])
    server.zone.set('_dnsaddr.loop.example.org', [
      { type: 'TXT', data: 'dnsaddr=/dnsaddr/loop.example.org' }
    ])
    const record = (node: Node) => ({
      type: 'TXT' as const,
      data: `dnsaddr=${String(node.getMultiaddrs()[0])}`
    })
    const stranger = await start()
    server.zone.set('_dnsaddr.eu.example.org', [record(one), record(stranger)])
    const self = await start(seeker(server, { dnsaddr: 'example.org' }))
    await until('found', isConnected(self, one))
    // The suffix chose one of two.
    expect(isConnected(self, stranger)()).toBe(false)
    const moved = await start()
    await one.stop()
    server.zone.set('_dnsaddr.example.org', [record(moved)])
    await until('found where it moved', isConnected(self, moved))
  })

  it('are found by AAAA records, where the machine has IPv6', async (context) => {
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
    if (!addresses.some(({ address }) => address === '::1')) {
      context.skip('this machine has no IPv6 loopback')
    }
    const server = await startServer()
    const one = await start({ host: '::1' })
    server.zone.set('peers.test', [{ type: 'AAAA', data: '::1' }])
    const self = await start(seeker(server, { host: 'peers.test', port: portOf(one) }))
    await until('found', isConnected(self, one))
  })

  it('are found though questions beside theirs fail', async () => {
    const server = await startServer()
    const [byA, bySrv, byTxt] = [await start(), await start(), await start()]
    // A server that has no answer for IPv6, a target and a name whose own servers are gone.
    for (const failing of ['AAAA', 'gone.test', '_dnsaddr.gone.test']) server.failing.add(failing)
    server.zone.set('peers.test', [{ type: 'A', data: '127.0.0.1' }])
    server.zone.set('_peer._tcp.test', [
      { type: 'SRV', data: { target: 'gone.test', port: 1 } },
      { type: 'SRV', data: { target: 'peers.test', port: portOf(bySrv) } }
    ])
    server.zone.set('_dnsaddr.test', [
      { type: 'TXT', data: 'dnsaddr=/dnsaddr/gone.test' },
      { type: 'TXT', data: `dnsaddr=${String(byTxt.getMultiaddrs()[0])}` }
    ])
    const questions = [
      { host: 'peers.test', port: portOf(byA) },
      { service: '_peer._tcp.test' },
      { dnsaddr: 'test' }
    ]
    const self = await start(seeker(server, ...questions))
    await until('all', () => [byA, bySrv, byTxt].every((node) => isConnected(self, node)()))
  })

  it('follow the answers that come while others fail, whose last ones stay', async () => {
    const server = await startServer()
    const one = await start()
    const port = portOf(one)
    const another = await start({ host: '127.0.0.2', port })
    server.zone.set('_peer._tcp.test', [
      { type: 'SRV', data: { target: 'pod-0.test', port } },
      { type: 'SRV', data: { target: 'pod-1.test', port } }
    ])
    server.zone.set('pod-0.test', [{ type: 'A', data: '127.0.0.1' }])
    const self = await start(seeker(server, { service: '_peer._tcp.test' }))
    await until('found', isConnected(self, one))
    server.failing.add('pod-0.test')
    server.zone.set('pod-1.test', [{ type: 'A', data: '127.0.0.2' }])
    await until('the new one', isConnected(self, another))
    await one.stop()
    const back = await start({ port })
    await until('met by the last answer', isConnected(self, back))
  })

  it('stay known while the server is broken, and are met again', async () => {
    const server = await startServer()
    const first = await start()
    const port = portOf(first)
    server.zone.set('peers.test', [{ type: 'A', data: '127.0.0.1' }])
    const self = await start(seeker(server, { host: 'peers.test', port }))
    await until('found', isConnected(self, first))
    server.broken = true
    await first.stop()
    const back = await start({ port })
    await until('met by the last answer', isConnected(self, back))
    expect(server.questions).toBeGreaterThan(2)
  })
})
