import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'

const box = defineAgent({
  type: 'box',
  state: { count: counter() },
  strong: { total: z.number().default(0) }
})

const folder = mkdtempSync(join(tmpdir(), 'damaged-'))
const open = new Set<Cluster>()
afterAll(async () => {
  await Promise.all([...open].map((each) => each.stop()))
  rmSync(folder, { recursive: true, force: true })
})

const listen = ['/ip4/127.0.0.1/tcp/0']

async function joined(init: Partial<ClusterInit>): Promise<Cluster> {
  const made = await createCluster({ name: 'damaged', agents: [box], listen, ...init })
  open.add(made)
  await made.ready()
  return made
}

async function end(cluster: Cluster): Promise<void> {
  open.delete(cluster)
  await cluster.stop()
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}

/** Flips a bit in the middle of the newest writes. */
function damage(dataDir: string): void {
  const store = join(dataDir, 'store')
  const log = readdirSync(store).find((name) => name.endsWith('.log'))!
  const bytes = readFileSync(join(store, log))
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  writeFileSync(join(store, log), bytes)
}

test('a damaged store is refused by name, or put aside and filled again from the others', async () => {
  const first = await joined({})
  const second = await joined({ bootstrap: first.addresses })
  const dataDir = join(folder, 'third')
  const bootstrap = first.addresses
  const third = await joined({ bootstrap, dataDir })
  const isWhole = (): boolean =>
    first.view?.members.length === 3 && first.membership.settled === first.view.number
  await until(isWhole)
  const keys = Array.from({ length: 12 }, (_, at) => `box ${at}`)
  for (const key of keys) {
    await first.agent(box, key).update((draft) => draft.count.increment(3))
    await first
      .agent(box, key)
      .update((draft) => void (draft.total += 4), { consistency: 'strong' })
  }
  await end(third)
  damage(dataDir)
  const again = { name: 'damaged', agents: [box], listen, bootstrap, dataDir }
  await expect(createCluster(again)).rejects.toMatchObject({ name: 'CorruptDataError' })
  const alone = { ...again, bootstrap: [], damagedStore: 'replace' } as const
  await expect(createCluster(alone)).rejects.toMatchObject({ name: 'InvalidParametersError' })

  const back = await joined({ ...again, damagedStore: 'replace' })
  expect(back.membership.self.peer).toBe(third.membership.self.peer)
  expect(back.membership.self.incarnation).not.toBe(third.membership.self.incarnation)
  expect(readdirSync(dataDir).filter((name) => name.startsWith('store.damaged-'))).toHaveLength(1)
  await until(() => isWhole() && back.state.records().length === keys.length)
  // It has copies of its own: the other two are not needed any more.
  await first.drain()
  open.delete(first)
  await second.drain()
  open.delete(second)
  for (const key of keys) {
    const ref = back.agent(box, key)
    expect((await ref.state()).value).toEqual({ count: 3 })
    expect((await ref.state({ consistency: 'strong' })).value).toEqual({ total: 4 })
  }
}, 60_000)
