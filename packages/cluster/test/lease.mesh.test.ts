import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { afterEach, expect, it } from 'vitest'
import { meter } from './meter.ts'

interface Answer {
  readonly total?: number
  readonly error?: string
  readonly refusals: readonly { readonly name: string; readonly outcomeUnknown: boolean }[]
}

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function peer(bootstrap: readonly string[] = []): Promise<Cluster> {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const cluster = await createCluster({ name: 'owners', agents: [meter], listen, bootstrap })
  ends.push(() => cluster.stop())
  await cluster.ready()
  return cluster
}

async function processOf(
  bootstrap: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly peerId: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'owner-'))
  const script = fileURLToPath(new URL('owner-process.ts', import.meta.url))
  const child = fork(script, [JSON.stringify({ bootstrap, dataDir })], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  ends.push(async () => {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    await rm(dataDir, { recursive: true, force: true })
  })
  const [{ peerId }] = (await once(child, 'message')) as [{ readonly peerId: string }]
  return { child, peerId }
}

/** A key whose agent belongs on a peer. */
function keyOn(cluster: Cluster, peerId: string): string {
  for (let at = 0; ; at++) {
    const key = `k${at}`
    if (cluster.placement.ownerOf(meter.id(key)) === peerId) return key
  }
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20))
}

const stops: readonly [string, (first: Cluster, id: string, owner: string) => Promise<void>][] = [
  [
    'while its agent was moved',
    async (first, id, owner) => {
      const other = first.members().find(({ peer: one }) => one !== owner)?.peer ?? ''
      await first.placement.move(id, other)
    }
  ],
  [
    'until it was out of the view',
    async (first, _, owner) => {
      await until(() => first.members().every((member) => member.peer !== owner))
    }
  ]
]

it.each(stops)(
  'an owner that stood still past its lease, %s, is refused its late write, which counts once',
  async (_, takeAway) => {
    const first = await peer()
    const second = await peer(first.addresses)
    const third = await peer(first.addresses)
    const { child, peerId } = await processOf(first.addresses)
    await until(() => [first, second, third].every((one) => one.members().length === 4))
    const key = keyOn(first, peerId)
    const id = meter.id(key)
    await second.agent(meter, key).call('add', 1)
    child.send({ key, input: 10 })
    const answered = once(child, 'message')
    await until(() => first.placement.ownerOf(id) === peerId)
    // Its handler has begun, and ends after it was stopped.
    await new Promise((resolve) => setTimeout(resolve, 300))
    child.kill('SIGSTOP')
    await takeAway(first, id, peerId)
    expect(await third.agent(meter, key).call('add', 100, { timeoutMs: 20_000 })).toBe(101)
    child.kill('SIGCONT')
    const [answer] = (await answered) as [Answer]
    expect(answer.error).toBeUndefined()
    expect(answer.total).toBe(111)
    expect(answer.refusals[0]).toEqual({ name: 'FencedError', outcomeUnknown: false })
    await first.agent(meter, key).call('add', 1000)
    const { value } = await second.agent(meter, key).state()
    expect(value).toEqual({ total: 1111, times: { '1': 1, '10': 1, '100': 1, '1000': 1 } })
  },
  60_000
)
