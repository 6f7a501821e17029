import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { mdns } from '../src/index.ts'
import { createNode, until } from './mesh-nodes.ts'

const group = '224.0.0.251'

/** Why multicast does not work on this machine, or undefined where it does. */
async function multicastFault(): Promise<string | undefined> {
  const port = 30_000 + Math.floor(Math.random() * 10_000)
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('message', () => resolve())
      socket.bind(port, () => {
        try {
          socket.addMembership(group)
          socket.setMulticastLoopback(true)
          socket.send('hello', port, group, (error) => error && reject(error))
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
      setTimeout(() => reject(new Error('a multicast packet to itself did not come back')), 1_000)
    })
    return undefined
  } catch (error) {
    const interfaces = Object.keys(networkInterfaces()).join(', ')
    return `${error instanceof Error ? error.message : String(error)} (interfaces: ${interfaces})`
  } finally {
    socket.close()
  }
}

it('connects two peers on one network by mDNS, where the machine has multicast', async (context) => {
  const fault = await multicastFault()
  if (fault !== undefined) {
    context.skip(`multicast does not work here: ${fault}`)
  }
  const serviceTag = `_murmuration-${Math.random().toString(36).slice(2, 10)}._udp.local`
  const init = { strategies: [mdns({ serviceTag, intervalMs: 1_000 })] }
  const nodes = await Promise.all([createNode(init), createNode(init)])
  try {
    const ms = await until('found and connected', () =>
      nodes.every((node) => node.services.discovery.connected().length === 1)
    )
    console.log(`found and connected by mDNS after ${ms.toFixed(0)} ms`)
    expect(nodes[0]?.services.discovery.connected()).toEqual([nodes[1]?.peerId.toString()])
  } finally {
    await Promise.all(nodes.map(async (node) => node.stop()))
  }
})

/** Two network namespaces joined by a cable, or why this machine does not let us make them. */
function createNamespaces(id: string): { names: readonly string[]; remove: () => void } | string {
  const names = [`mm${id}a`, `mm${id}b`]
  const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' })
  const remove = (): void => {
    for (const name of names) {
      try {
        ip('netns', 'del', name)
      } catch {
        // It was not made.
      }
    }
  }
  try {
    for (const name of names) ip('netns', 'add', name)
    ip(
      'link',
      'add',
      `v${id}a`,
      'netns',
      names[0] ?? '',
      'type',
      'veth',
      'peer',
      'name',
      `v${id}b`,
      'netns',
      names[1] ?? ''
    )
    for (const [index, name] of names.entries()) {
      const device = `v${id}${index === 0 ? 'a' : 'b'}`
      ip('-n', name, 'addr', 'add', `10.77.0.${index + 1}/24`, 'dev', device)
      ip('-n', name, 'link', 'set', device, 'up', 'multicast', 'on')
      ip('-n', name, 'route', 'add', '224.0.0.0/4', 'dev', device)
    }
    return { names, remove }
  } catch (error) {
    remove()
    return error instanceof Error ? error.message : String(error)
  }
}

it('connects peers of two network namespaces by mDNS, and again after one has moved', async (context) => {
  const id = Math.random().toString(36).slice(2, 7)
  const made = createNamespaces(id)
  if (typeof made === 'string') {
    context.skip(`network namespaces cannot be made here: ${made}`)
    return
  }
  const script = fileURLToPath(new URL('mdns-peer.ts', import.meta.url))
  const tag = `_murmuration-${id}._udp.local`
  const children: ChildProcess[] = []
  const start = (index: number): { connected: number; child: ChildProcess } => {
    const args = ['netns', 'exec', made.names[index] ?? '', process.execPath, script]
    const child = spawn('ip', [...args, `10.77.0.${index + 1}`, tag], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    children.push(child)
    const peer = { connected: 0, child }
    child.stdout?.on('data', (text) => {
      peer.connected = Number(String(text).trim().split('\n').at(-1))
    })
    return peer
  }
  try {
    const [one, another] = [start(0), start(1)]
    const ms = await until('found', () => one.connected === 1 && another.connected === 1)
    console.log(`found across two namespaces by mDNS after ${ms.toFixed(0)} ms, start included`)
    // It comes back with another key and another port.
    another.child.kill('SIGKILL')
    await until('lost', () => one.connected === 0)
    const back = start(1)
    await until('found again', () => one.connected === 1 && back.connected === 1)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    made.remove()
  }
})
