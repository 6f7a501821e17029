import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { Session } from '@murmuration/agent'
import { createHistory } from '@murmuration/testkit'
import type { History, ListInput, ListOutput } from '@murmuration/testkit'
import { vault } from './agents.ts'
import { Herd, wait } from './herd.ts'
import { judge } from './linearizable-judge.ts'
import type { Judgement } from './linearizable-judge.ts'
import type { Network } from './network.ts'

export interface LinearizableInit {
  readonly network: Network
  readonly peers: number
  /** How long there is load and faults. */
  readonly runMs: number
  readonly progress: (text: string) => void
}

export interface LinearizableReport extends Judgement {
  readonly peers: number
  readonly operations: number
  /** Of which nobody knows what became of them. */
  readonly unknown: number
  readonly kills: number
  readonly pauses: number
  readonly seconds: number
}

const CLIENTS = 3
const LOOPS_PER_CLIENT = 2
const LISTS = 4
/** Operations of one list: the search for an order grows fast, and other lists follow. */
const OPERATIONS_PER_LIST = 80
const READS = 0.3
const ATTEMPT_MS = 5_000
const GIVE_UP_MS = 20_000
const WHOLE_MS = 90_000
const PAUSED_MS = [500, 7_000] as const
const BETWEEN_MS = [1_000, 5_000] as const

/**
 * Clients outside of the cluster read and append to lists in the strong part of agents, by references
 * and by actions, while peers are killed and paused one at a time; then Wing and Gong's search looks for
 * one order of what they saw.
 */
export async function runLinearizable(init: LinearizableInit): Promise<LinearizableReport> {
  const { network, peers, runMs, progress } = init
  const herd = new Herd({ network, keys: 0, paceMs: 1_000 })
  const began = performance.now()
  const clients: Cluster[] = []
  try {
    await herd.start(peers)
    for (let at = 0; at < CLIENTS; at++) clients.push(await joined(herd))
    const history = createHistory<ListInput, ListOutput>(() => Math.round(performance.now()))
    const load = new Load(history, performance.now() + runMs)
    const loops = clients.flatMap((client, at) =>
      Array.from({ length: LOOPS_PER_CLIENT }, (_, loop) => load.run(client, `c${at}.${loop}`))
    )
    const broken = breakPeers(herd, () => load.isOver, progress)
    await Promise.all(loops)
    const { kills, pauses } = await broken
    await herd.whole(WHOLE_MS)
    const [reader] = clients
    if (reader !== undefined) await load.readAll(reader)
    const { operations } = history
    const unknown = operations.filter(({ outcome }) => outcome.status === 'unknown').length
    progress(`${operations.length} operations, ${unknown} of unknown outcome: looking for an order`)
    const seconds = Math.round((performance.now() - began) / 100) / 10
    return {
      peers,
      operations: operations.length,
      unknown,
      kills,
      pauses,
      seconds,
      ...judge(operations)
    }
  } finally {
    await Promise.all(clients.map((client) => client.stop()))
    await herd.end()
  }
}

async function joined(herd: Herd): Promise<Cluster> {
  const client = await createCluster({
    name: 'chaos',
    secret: herd.secret,
    agents: [vault],
    listen: [],
    bootstrap: herd.up.flatMap(({ addresses }) => addresses),
    role: 'edge'
  })
  await client.ready()
  return client
}

class Load {
  readonly #history: History<ListInput, ListOutput>
  readonly #until: number
  readonly #lists = Array.from({ length: LISTS }, () => ({ generation: 0, operations: 0 }))
  #elements = 0

  constructor(history: History<ListInput, ListOutput>, until: number) {
    this.#history = history
    this.#until = until
  }

  get isOver(): boolean {
    return performance.now() > this.#until
  }

  async run(cluster: Cluster, client: string): Promise<void> {
    const session = new Session(`linearizable-${client}-${cluster.peerId.slice(-8)}`)
    while (!this.isOver) {
      const key = this.#take()
      await (Math.random() < READS
        ? this.#read(cluster, client, key)
        : this.#append(cluster, client, key, session))
    }
  }

  async readAll(cluster: Cluster): Promise<void> {
    for (const [at, { generation }] of this.#lists.entries()) {
      for (let of = 0; of <= generation; of++) await this.#read(cluster, 'last', `l${at}.${of}`)
    }
  }

  #take(): string {
    const at = Math.floor(Math.random() * LISTS)
    const list = this.#lists[at]
    if (list === undefined) throw new Error('no such list')
    if (++list.operations > OPERATIONS_PER_LIST) {
      list.generation++
      list.operations = 1
    }
    return `l${at}.${list.generation}`
  }

  async #read(cluster: Cluster, client: string, key: string): Promise<void> {
    const operation = this.#history.invoke(client, key, { kind: 'read' })
    try {
      const options = { consistency: 'strong', timeoutMs: GIVE_UP_MS } as const
      const { value } = await cluster.agent(vault, key).state(options)
      operation.ok({ list: value.names })
    } catch {
      operation.failed() // It had no effect, whatever it was.
    }
  }

  async #append(cluster: Cluster, client: string, key: string, session: Session): Promise<void> {
    const element = `${client}.${this.#elements++}`
    const operation = this.#history.invoke(client, key, { kind: 'append', element })
    const idempotencyKey = session.open()
    const options = { idempotencyKey, timeoutMs: ATTEMPT_MS }
    const agent = cluster.agent(vault, key)
    const byAction = Math.random() < 0.5
    const late = performance.now() + GIVE_UP_MS
    // Repeated under its key until it is known; after that it stays unknown for good.
    while (performance.now() < late) {
      try {
        if (byAction) {
          operation.ok({ list: await agent.call('append', { name: element }, options) })
        } else {
          const push = (draft: { names: string[] }): void => void draft.names.push(element)
          await agent.update(push, { ...options, consistency: 'strong' })
          operation.ok({})
        }
        session.confirm(idempotencyKey.sequence)
        return
      } catch {
        await wait(50)
      }
    }
  }
}

/** One peer at a time: killed and started again with its disk, or stopped for a while. */
async function breakPeers(
  herd: Herd,
  isOver: () => boolean,
  progress: (text: string) => void
): Promise<{ kills: number; pauses: number }> {
  const counts = { kills: 0, pauses: 0 }
  const indices = [...herd.peers.keys()]
  while (!isOver()) {
    await wait(between(BETWEEN_MS))
    const index = indices[Math.floor(Math.random() * indices.length)] ?? 1
    if (Math.random() < 0.5) {
      counts.kills++
      progress(`peer ${index} is killed`)
      await herd.kill(index)
      await wait(between(PAUSED_MS))
      await herd.restart(index)
    } else {
      counts.pauses++
      progress(`peer ${index} is paused`)
      herd.freeze(index)
      await wait(between(PAUSED_MS))
      herd.thaw(index)
    }
    await herd.whole(WHOLE_MS)
  }
  return counts
}

function between([least, most]: readonly [number, number]): number {
  return least + Math.random() * (most - least)
}
