import { afterEach, describe, expect, it } from 'vitest'
import { createNode, foundPeerOf, until } from './mesh-nodes.ts'
import type { Node } from './mesh-nodes.ts'

const nodes: Node[] = []

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
})

describe('two connections of two peers that keep each other', () => {
  it('become one while calls are under way at both ends, and none fails', async () => {
    for (let round = 0; round < 4; round += 1) {
      const pair = await Promise.all([
        createNode({ settleMs: 1_000 }),
        createNode({ settleMs: 1_000 })
      ])
      nodes.push(...pair)
      const [one, two] = pair
      for (const { services } of pair) {
        services.rpc.handle('slow', async (request) => {
          await new Promise((resolve) => setTimeout(resolve, 400))
          return request
        })
      }
      await Promise.allSettled([
        one.dial(two.getMultiaddrs(), { force: true }),
        two.dial(one.getMultiaddrs(), { force: true })
      ])
      while (one.getConnections().length < 2) {
        // Which end dials the second one decides which of them stays.
        await (round % 2 === 0 ? one : two).dial((round % 2 === 0 ? two : one).getMultiaddrs(), {
          force: true
        })
      }
      one.services.discovery.keep([foundPeerOf(two)])
      two.services.discovery.keep([foundPeerOf(one)])
      let isOne = false
      const failures: string[] = []
      const call = async (from: Node, to: Node): Promise<void> => {
        try {
          await from.services.rpc.call(to.peerId.toString(), 'slow', new Uint8Array(1))
        } catch (error) {
          failures.push(String(error))
        }
      }
      const calls: Promise<void>[] = []
      const load = async (): Promise<void> => {
        while (!isOne) {
          calls.push(call(one, two), call(two, one))
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }
      const loading = load()
      await until('one connection', () => pair.every((node) => node.getConnections().length === 1))
      await new Promise((resolve) => setTimeout(resolve, 300))
      isOne = true
      await loading
      await Promise.all(calls)
      expect(failures).toEqual([])
      expect(calls.length).toBeGreaterThan(100)
      await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
    }
  })
})
