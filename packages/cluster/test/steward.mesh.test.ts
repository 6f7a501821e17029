import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import type { RegistryChange } from '@murmuration/interface'
import { afterEach, expect, it } from 'vitest'
import { desk } from './desk.ts'

/*
 * A side of a split between real processes: two peers here, while the three processes of the others
 * stand still, which is the same for these two.
 */

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function peer(bootstrap: readonly string[] = []): Promise<Cluster> {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const cluster = await createCluster({ name: 'desks', agents: [desk], listen, bootstrap })
  ends.push(() => cluster.stop())
  await cluster.ready()
  return cluster
}

async function processOf(bootstrap: readonly string[]): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('desk-process.ts', import.meta.url))
  const child = fork(script, [JSON.stringify(bootstrap)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  ends.push(async () => {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  await once(child, 'message')
  return child
}

/** Adds a name, as a caller does who is told to wait while links do not come to rest. */
async function add(through: Cluster, key: string, name: string): Promise<string> {
  const late = performance.now() + 60_000
  for (;;) {
    try {
      return await through.agent(desk, key).call('add', name, { timeoutMs: 20_000 })
    } catch (error) {
      // Over the wire it has the name, and not the class.
      const isPaused = error instanceof Error && error.name === 'PausedError'
      if (!isPaused || performance.now() > late) throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

const keys = Array.from({ length: 8 }, (_, at) => `k${at}`)
/** An agent of which the two are not sure to lack something: not all of its replicas stand still. */
async function wholeOf(owner: Cluster): Promise<string> {
  for (const key of keys) {
    const { epoch } = await owner.agent(desk, key).state()
    if (epoch?.branch !== undefined && epoch.partial !== true) return key
  }
  throw new Error('of every agent all replicas stand still')
}

const running = ({ agents }: Cluster): string[] =>
  agents
    .running()
    .map(({ id }) => id)
    .toSorted()

it('a side of real processes goes on under one steward, which has all agents until the heal', async () => {
  const first = await peer()
  const second = await peer(first.addresses)
  const pair = [first, second]
  const others = [0, 1, 2].map(() => processOf(first.addresses))
  const children = await Promise.all(others)
  const isWhole = (): boolean => pair.every(({ view }) => view?.members.length === 5)
  await expect.poll(isWhole, { timeout: 20_000 }).toBe(true)
  for (const key of keys) expect(await add(second, key, 'before')).toBe('')

  const begun = pair.map(
    ({ partition }) =>
      new Promise<string>((resolve) => {
        partition.addEventListener('branch', ({ detail }) => {
          if (detail.status === 'begun') resolve(detail.branch)
        })
      })
  )
  for (const child of children) child.kill('SIGSTOP')
  const [branch = '', same] = await Promise.all(begun)
  expect(same).toBe(branch)
  for (const [at, key] of keys.entries()) {
    const through = pair[at % 2] ?? first
    expect(await add(through, key, 'here')).toBe(branch)
  }
  const { steward = '' } = first.partition.decide('leader-election')
  const [owner, other] = first.peerId === steward ? [first, second] : [second, first]
  expect(running(owner)).toEqual(keys.map((key) => desk.id(key)).toSorted())
  expect(running(other)).toEqual([])
  // Of an agent of which this side has all: else the others had it too, which is told as a conflict.
  const claimed = await wholeOf(owner)
  const [, next = ''] = keys.filter((key) => key !== claimed)
  const claim = await owner.registry.register({ ...desk.record(claimed), labels: { by: 'side' } })
  expect(claim).toMatchObject({ status: 'claimed', epoch: { branch } })
  const elsewhere = await other.registry.register(desk.record(next))
  expect(elsewhere).toMatchObject({ status: 'conflict', owner: owner.peerId })

  const told: RegistryChange[] = []
  owner.registry.addEventListener('change', ({ detail }) => told.push(detail))
  for (const child of children) child.kill('SIGCONT')
  const ofClaimed = (): string[] =>
    told.filter(({ id }) => id === desk.id(claimed)).map(({ type }) => type)
  // Nobody else had claimed it.
  await expect.poll(ofClaimed, { timeout: 30_000 }).toEqual(['registered'])
  for (const key of keys) {
    // The three never heard of the branch: its copies come to them when copies are compared next.
    const names = async (): Promise<readonly string[]> =>
      (await other.agent(desk, key).state()).value.names.toSorted()
    await expect.poll(names, { timeout: 10_000 }).toEqual(['before', 'here'])
    const { value, epoch } = await other.agent(desk, key).state()
    expect(value.count).toBe(2)
    expect(epoch?.branch).toBeUndefined()
  }
  expect((await other.registry.describe(desk.id(claimed)))?.labels).toEqual({ by: 'side' })
  expect(ofClaimed()).toEqual(['registered'])
}, 180_000)
