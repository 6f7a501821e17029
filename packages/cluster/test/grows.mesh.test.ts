import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { counter, set } from '@murmuration/crdt'
import { afterAll, expect, it } from 'vitest'
import { z } from 'zod'

const box = defineAgent({
  type: 'box',
  state: { count: counter(), names: set<string>() },
  strong: { total: z.number().default(0) }
})

const folder = mkdtempSync(join(tmpdir(), 'grows-'))
const open: Cluster[] = []
afterAll(async () => {
  await Promise.all(open.map((peer) => peer.stop()))
  rmSync(folder, { recursive: true, force: true })
})

async function peer(init: Partial<ClusterInit>): Promise<Cluster> {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const made = await createCluster({ name: 'grows', agents: [box], listen, ...init })
  open.push(made)
  return made
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']
const strong = { consistency: 'strong' } as const

it('one member alone becomes the first of a cluster, and the copies are made under traffic', async () => {
  const dataDir = join(folder, 'first')
  const alone = await createCluster({ name: 'grows', agents: [box], dataDir, distributed: false })
  const acknowledged = new Map(KEYS.map((key) => [key, new Set<string>()]))
  const put = async (through: Cluster, key: string, name: string): Promise<void> => {
    await through.agent(box, key).update((draft) => {
      draft.count.increment()
      draft.names.add(name)
    })
    acknowledged.get(key)?.add(name)
  }
  await alone.ready()
  for (const key of KEYS) {
    for (let at = 0; at < 5; at++) await put(alone, key, `alone ${at}`)
    await alone.agent(box, key).update((draft) => void (draft.total += 5), strong)
  }
  await alone.stop()

  const first = await peer({ dataDir })
  await first.ready()
  let isOver = false
  const traffic = KEYS.map(async (key) => {
    for (let at = 0; !isOver; at++) await put(first, key, `under traffic ${at}`)
  })
  const second = await peer({ bootstrap: first.addresses })
  const third = await peer({ bootstrap: first.addresses })
  await Promise.all([second.ready(), third.ready()])
  const isSettled = (): boolean =>
    first.view?.members.length === 3 && first.membership.settled === first.view.number
  while (!isSettled()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  isOver = true
  await Promise.all(traffic)
  // The copies were made: the first one is not needed any more.
  await first.drain()
  for (const key of KEYS) {
    const { value } = await third.agent(box, key).state()
    expect(new Set(value.names)).toEqual(acknowledged.get(key))
    expect(value.count).toBe(acknowledged.get(key)?.size)
    expect((await second.agent(box, key).state(strong)).value.total).toBe(5)
  }
}, 120_000)
