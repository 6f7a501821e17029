import { Session } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { ledger } from './agents.ts'
import { Herd, wait } from './herd.ts'
import type { Network } from './network.ts'

export interface DurabilityInit {
  readonly network: Network
  readonly peers: number
  readonly updates: number
  readonly progress: (text: string) => void
}

export interface DurabilityReport {
  readonly peers: number
  readonly network: string
  readonly acknowledged: number
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  readonly seconds: number
  /** Peers that were killed and whose disks were wiped, in turn. */
  readonly wiped: readonly number[]
}

const IN_FLIGHT = 128
/** Updates of one agent: their names are its state, so they bound its size. */
const UPDATES_PER_AGENT = 200
/** Agents that are written in turn until each has so many updates. */
const AGENTS = 100
const ATTEMPT_MS = 10_000
const GIVE_UP_MS = 90_000
const WHOLE_MS = 60_000
const READS_AT_ONCE = 16
/** Copies of a loss are made before the next one: two losses at once are not promised. */
const PAUSE_MS = 1_000

/**
 * Writes under the log of an outside client while every peer in turn is killed and loses its disk,
 * then reads everything that was acknowledged.
 */
export async function runDurability(init: DurabilityInit): Promise<DurabilityReport> {
  const { network, peers, updates, progress } = init
  const herd = new Herd({ network, keys: 0, paceMs: 1_000 })
  const began = performance.now()
  let client: Cluster | undefined
  try {
    await herd.start(peers)
    client = await createCluster({
      name: 'chaos',
      secret: herd.secret,
      agents: [ledger],
      listen: [],
      bootstrap: herd.up.flatMap(({ addresses }) => addresses),
      role: 'edge'
    })
    await client.ready()
    const writer = new Writer(client, updates)
    const writing = writer.run()
    const wiped: number[] = []
    const losing = loseEach(herd, writer, wiped, progress).finally(() => writer.conclude())
    await Promise.all([writing, losing])
    await herd.whole(WHOLE_MS)
    progress('reading everything back')
    const { lost, doubled } = await writer.verify()
    const seconds = Math.round((performance.now() - began) / 100) / 10
    const acknowledged = writer.acknowledged
    return { peers, network: network.name, acknowledged, lost, doubled, seconds, wiped }
  } finally {
    await client?.stop()
    await herd.end()
  }
}

/** Each peer once, at equal shares of the work, and never while the loss before is not repaired. */
async function loseEach(
  herd: Herd,
  writer: Writer,
  wiped: number[],
  progress: (text: string) => void
): Promise<void> {
  const order = [...herd.peers.keys()]
  for (const [at, index] of order.entries()) {
    const share = (at + 0.5) / (order.length + 0.5)
    while (writer.share < share) await wait(20)
    const atKill = Math.round(writer.share * 100)
    progress(`${atKill} %: peer ${index} is killed and its disk wiped`)
    await herd.kill(index)
    await herd.wipe(index)
    await herd.whole(WHOLE_MS)
    await herd.restart(index)
    await herd.whole(WHOLE_MS)
    wiped.push(index)
    await wait(PAUSE_MS)
  }
}

class Writer {
  readonly #cluster: Cluster
  readonly #session: Session
  readonly #updates: number
  /** The log outside of the cluster: names of acknowledged updates, by agent. */
  readonly #log = new Map<string, Set<string>>()
  #begun = 0
  #acknowledged = 0
  #isConcluding = false

  constructor(cluster: Cluster, updates: number) {
    this.#cluster = cluster
    this.#updates = updates
    this.#session = new Session(`durability-${cluster.peerId.slice(-12)}`)
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  get share(): number {
    return this.#acknowledged / this.#updates
  }

  /** No more than was asked for. */
  conclude(): void {
    this.#isConcluding = true
  }

  async run(): Promise<void> {
    const worker = async (): Promise<void> => {
      // On until the last loss is repaired: no peer is lost without load.
      while (this.#begun < this.#updates || !this.#isConcluding) {
        await this.#update(this.#begun++)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  }

  async #update(number: number): Promise<void> {
    // Agents take turns, so that many are written at any time.
    const key = `d${(number % AGENTS) + AGENTS * Math.floor(number / (AGENTS * UPDATES_PER_AGENT))}`
    const name = String(number)
    const idempotencyKey = this.#session.open()
    const agent = this.#cluster.agent(ledger, key)
    const late = performance.now() + GIVE_UP_MS
    for (;;) {
      try {
        await agent.call('add', { name }, { idempotencyKey, timeoutMs: ATTEMPT_MS })
        break
      } catch (error) {
        if (performance.now() > late)
          throw new Error(`update ${name} is not taken`, { cause: error })
        await wait(100)
      }
    }
    this.#session.confirm(idempotencyKey.sequence)
    const log = this.#log.get(key) ?? new Set<string>()
    this.#log.set(key, log.add(name))
    this.#acknowledged++
  }

  async verify(): Promise<{ lost: string[]; doubled: string[] }> {
    const lost: string[] = []
    const doubled: string[] = []
    const waiting = [...this.#log]
    const reader = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [key, log] = next
        const { value } = await this.#cluster
          .agent(ledger, key)
          .state({ timeoutMs: GIVE_UP_MS, consistency: 'session' })
        const held = new Set(value.names)
        for (const name of log) if (!held.has(name)) lost.push(`${key} ${name}`)
        if (value.count > log.size) doubled.push(`${key} counts ${value.count} of ${log.size}`)
        if (value.count < log.size) lost.push(`${key} counts ${value.count} of ${log.size}`)
      }
    }
    await Promise.all(Array.from({ length: READS_AT_ONCE }, reader))
    return { lost, doubled }
  }
}
