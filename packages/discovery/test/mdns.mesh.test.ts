import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
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

it('connects two peers on one network by mDNS, where the machine has multicast', async () => {
  const fault = await multicastFault()
  if (fault !== undefined) {
    console.log(`mDNS not tried here: ${fault}`)
    expect(fault).not.toBe('')
    return
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
