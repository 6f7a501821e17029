import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { afterEach, expect, it } from 'vitest'
import { device } from './device.ts'

const script = fileURLToPath(new URL('edge-process.ts', import.meta.url))

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function peer(init: Partial<ClusterInit> = {}): Promise<Cluster> {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const cluster = await createCluster({ name: 'edges', agents: [device], listen, ...init })
  ends.push(() => cluster.stop())
  await cluster.ready()
  return cluster
}

async function members(count: number): Promise<Cluster[]> {
  const first = await peer()
  const bootstrap = first.addresses
  const others = await Promise.all(Array.from({ length: count - 1 }, () => peer({ bootstrap })))
  const all = [first, ...others]
  const isWhole = (): boolean =>
    all.every(({ view, membership }) => {
      return view?.members.length === count && membership.settled === view.number
    })
  while (!isWhole()) await new Promise((resolve) => setTimeout(resolve, 20))
  return all
}

/** A device that can be killed, wiped and started again under its key. */
class Device {
  readonly #bootstrap: readonly string[]
  readonly #dataDir: string
  #child: ChildProcess | undefined
  peerId = ''

  constructor(bootstrap: readonly string[], dataDir: string) {
    this.#bootstrap = bootstrap
    this.#dataDir = dataDir
  }

  async start(): Promise<void> {
    const init = JSON.stringify({ bootstrap: this.#bootstrap, dataDir: this.#dataDir })
    const child = fork(script, [init], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    const [{ peerId }] = (await once(child, 'message')) as [{ readonly peerId: string }]
    this.peerId = peerId
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** Its key stays, as it would in a module of its own. */
  async wipe(): Promise<void> {
    await rm(join(this.#dataDir, 'store'), { recursive: true, force: true })
  }
}

async function deviceOf(bootstrap: readonly string[]): Promise<Device> {
  const dataDir = await mkdtemp(join(tmpdir(), 'edge-'))
  const made = new Device(bootstrap, dataDir)
  ends.push(async () => {
    await made.kill()
    await rm(dataDir, { recursive: true, force: true })
  })
  await made.start()
  return made
}

// Three starts of a process, and twice the time of its lease.
it('an edge peer owns what is pinned to it: killed and wiped, with a member, it loses nothing', async () => {
  const all = await members(4)
  const bootstrap = all.map(({ addresses }) => addresses[0] ?? '')
  const edge = await deviceOf(bootstrap)
  // Neither edge peer can be dialled: members hand calls on.
  const other = await peer({ role: 'edge', listen: [], bootstrap })
  const { peerId } = edge
  let acknowledged = 0
  for (let round = 0; round < 2; round++) {
    const callers = [...all.filter(({ status }) => status === 'ready'), other]
    const calls = callers.flatMap((from) =>
      Array.from({ length: 5 }, async () => {
        await from.agent(device, peerId).call('add', 1, { timeoutMs: 30_000 })
        acknowledged++
      })
    )
    await Promise.all(calls)
    const { value, replicas } = await other.agent(device, peerId).state()
    expect(value.total).toBe(acknowledged)
    expect(replicas).not.toContain(peerId)
    const found = { status: 'remote', peer: peerId }
    expect(await all[0]?.registry.find(device.id(peerId))).toMatchObject(found)
    await edge.kill()
    const late = all[0]?.agent(device, peerId).call('add', 1, { timeoutMs: 4_000 })
    await expect(late).rejects.toMatchObject({ name: expect.stringMatching(/UnavailableError$/) })
    expect(await all[1]?.registry.find(device.id(peerId))).toMatchObject({ status: 'not-found' })
    if (round === 1) {
      // Its disk and that of one member at once: two members have had each update.
      await edge.wipe()
      await all[3]?.stop()
    }
    await edge.start()
    expect(edge.peerId).toBe(peerId)
  }
  const total = await all[1]?.agent(device, peerId).call('add', 1, { timeoutMs: 30_000 })
  expect(total).toBe(acknowledged + 1)
}, 120_000)
