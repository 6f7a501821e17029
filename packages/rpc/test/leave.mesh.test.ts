import type { Connection } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { errorOf } from './duplex.ts'
import { introduce, startNode } from './mesh-nodes.ts'
import type { Node } from './mesh-nodes.ts'

const protocol = '/murmuration/default/rpc/1.0.0'
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const nodes: Node[] = []

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async ({ libp2p }) => libp2p.stop()))
})

/** Two nodes with so many connections between them, and a slow method on each. */
async function pair(connections: number): Promise<[Node, Node]> {
  const [a, b] = await Promise.all([startNode(), startNode()])
  nodes.push(a, b)
  await introduce(a, b)
  await introduce(b, a)
  for (const { rpc } of [a, b]) {
    rpc.handle('echo', (request) => request)
    rpc.handle('slow', async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      return request
    })
  }
  await a.libp2p.dial(b.libp2p.peerId)
  await a.rpc.call(b.peer, 'echo', bytes())
  await b.rpc.call(a.peer, 'echo', bytes())
  while (a.libp2p.getConnections().length < connections) {
    await b.libp2p.dial(a.libp2p.getMultiaddrs(), { force: true })
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return [a, b]
}

/** The connection on which a node calls. */
function carrying(node: Node): Connection {
  const found = node.libp2p
    .getConnections()
    .find(({ streams }) =>
      streams.some((one) => one.protocol === protocol && one.direction === 'outbound')
    )
  if (found === undefined) throw new Error('no calls on any connection')
  return found
}

describe('a connection that is left', () => {
  it('answers what is under way on it at both ends, carries nothing new, and no call fails', async () => {
    const [a, b] = await pair(2)
    for (let round = 0; round < 5; round += 1) {
      const left = carrying(a)
      const both = (method: string): Promise<Uint8Array>[] => [
        a.rpc.call(b.peer, method, bytes(1)),
        b.rpc.call(a.peer, method, bytes(2))
      ]
      const calls = Array.from({ length: 20 }, () => both('slow')).flat()
      await new Promise((resolve) => setTimeout(resolve, 20))
      let isOver = false
      const leaving = a.rpc.leave?.(left.id, 5_000).finally(() => {
        isOver = true
      })
      while (!isOver) {
        calls.push(...both('slow'), ...both('echo'))
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(await leaving).toBe(true)
      expect(carrying(a).id).not.toBe(left.id)
      await left.close()
      calls.push(...both('echo'))
      expect(await Promise.all(calls)).toHaveLength(calls.length)
      expect(a.libp2p.getConnections()).toHaveLength(1)
      expect(a.libp2p.getConnections()[0]?.id).toBe(carrying(a).id)
      // The next round has two again.
      await b.libp2p.dial(a.libp2p.getMultiaddrs(), { force: true })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })

  it('is told to be in use still, when a call outlasts the time', async () => {
    const [a, b] = await pair(2)
    b.rpc.handle('wait', () => new Promise(() => {}))
    const left = carrying(a)
    const lost = errorOf(a.rpc.call(b.peer, 'wait', bytes()))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await b.rpc.leave?.(otherEnd(left, b), 200)).toBe(false)
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
    await left.close()
    expect(await lost).toMatchObject({ name: 'ConnectionLostError', outcomeUnknown: true })
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
  })

  it('goes on to carry calls where it is the only one', async () => {
    const [a, b] = await pair(1)
    const [only] = a.libp2p.getConnections()
    expect(await a.rpc.leave?.(only?.id ?? '', 2_000)).toBe(true)
    for (let index = 0; index < 50; index += 1) {
      expect(await a.rpc.call(b.peer, 'echo', bytes(index))).toEqual(bytes(index))
      expect(await b.rpc.call(a.peer, 'echo', bytes(index))).toEqual(bytes(index))
    }
    expect(a.libp2p.getConnections()).toEqual([only])
  })
})

/** The same connection as its other end knows it; of two, each was dialled by another end. */
function otherEnd({ direction }: Connection, node: Node): string {
  const found = node.libp2p.getConnections().find((one) => one.direction !== direction)
  if (found === undefined) throw new Error('no such connection')
  return found.id
}
