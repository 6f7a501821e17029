import { randomBytes } from 'node:crypto'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { ledger, vault } from './agents.ts'
import { DurabilityLog } from './durability-log.ts'
import { Writer } from './durability-writer.ts'
import { Herd, wait } from './herd.ts'
import type { Network } from './network.ts'

export interface DurabilityInit {
  readonly network: Network
  readonly peers: number
  readonly updates: number
  /** Keeps disks and log here, and goes on from them in a later turn. @default nothing is kept */
  readonly folder?: string | undefined
  /** How long the load of this turn may last, in milliseconds. @default until all is written */
  readonly turnMs?: number | undefined
  readonly progress: (text: string) => void
}

export interface DurabilityReport {
  readonly peers: number
  readonly network: string
  readonly acknowledged: number
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  /** Of all turns. */
  readonly seconds: number
  readonly turns: number
  /** Peers that were killed and whose disks were wiped, in turn. */
  readonly wiped: readonly number[]
  /** All updates are acknowledged and every peer was lost once: no other turn is needed. */
  readonly isDone: boolean
}

const WHOLE_MS = 60_000
/** Copies of a loss are made before the next one: two losses at once are not promised. */
const PAUSE_MS = 1_000

/**
 * Writes under the log of an outside client while every peer in turn is killed and loses its disk,
 * then reads everything that was acknowledged. In a folder it may be done in several turns: between
 * two of them the whole cluster is killed, and comes back from its disks.
 */
export async function runDurability(init: DurabilityInit): Promise<DurabilityReport> {
  const { network, peers, updates, folder, progress } = init
  const began = performance.now()
  const log = new DurabilityLog(folder)
  const before = await log.open()
  if (before !== undefined && before.peers !== peers) {
    throw new Error(`${folder} holds a run of ${before.peers} peers`)
  }
  const secret = before?.secret ?? randomBytes(16).toString('hex')
  const turn = (before?.turn ?? 0) + 1
  const wiped = [...(before?.wiped ?? [])]
  const seconds = (): number =>
    Math.round((performance.now() - began) / 100) / 10 + (before?.seconds ?? 0)
  const keep = (): Promise<void> => log.keep({ secret, peers, turn, wiped, seconds: seconds() })
  await keep()
  const herd = new Herd({ network, keys: 0, paceMs: 1_000, secret, folder })
  let client: Cluster | undefined
  try {
    await herd.start(peers)
    client = await joined(herd)
    const writer = new Writer(client, updates, log, turn)
    // Of the load: a busy machine may take minutes to bring all peers together.
    const until = performance.now() + (init.turnMs ?? Infinity)
    progress(`all peers are together after ${Math.round((performance.now() - began) / 1_000)} s`)
    const losing = loseEach({ herd, writer, wiped, until, keep, progress })
    await Promise.all([writer.run(), losing.finally(() => writer.conclude())])
    await herd.whole(WHOLE_MS)
    const { errors } = writer
    progress(
      `attempts repeated: ${[...errors].map(([name, count]) => `${count} ${name}`).join(', ')}`
    )
    progress('reading everything back')
    const found = await writer.verify()
    await keep()
    const isDone = writer.share >= 1 && wiped.length === peers
    const { acknowledged } = log
    const base = { peers, network: network.name, acknowledged, seconds: seconds(), turns: turn }
    return { ...base, ...found, wiped, isDone }
  } finally {
    await client?.stop()
    await herd.end()
    await log.close()
  }
}

async function joined(herd: Herd): Promise<Cluster> {
  const client = await createCluster({
    name: 'chaos',
    secret: herd.secret,
    agents: [ledger, vault],
    listen: [],
    bootstrap: herd.up.flatMap(({ addresses }) => addresses),
    role: 'edge'
  })
  await client.ready()
  return client
}

interface Losing {
  readonly herd: Herd
  readonly writer: Writer
  readonly wiped: number[]
  /** By `performance.now()`. */
  readonly until: number
  readonly keep: () => Promise<void>
  readonly progress: (text: string) => void
}

/** Each peer once, at equal shares of the work, and never while the loss before is not repaired. */
async function loseEach({ herd, writer, wiped, until, keep, progress }: Losing): Promise<void> {
  const order = [...herd.peers.keys()]
  const reached = async (share: number): Promise<boolean> => {
    while (writer.share < share && performance.now() < until) await wait(20)
    return writer.share >= share
  }
  for (const [at, index] of order.entries()) {
    if (wiped.includes(index)) continue
    if (!(await reached((at + 0.5) / (order.length + 0.5)))) return
    const atKill = Math.round(writer.share * 100)
    progress(`${atKill} %: peer ${index} is killed and its disk wiped`)
    await herd.kill(index)
    await herd.wipe(index)
    await herd.whole(WHOLE_MS)
    await herd.restart(index)
    await herd.whole(WHOLE_MS)
    wiped.push(index)
    await keep()
    await wait(PAUSE_MS)
  }
  await reached(1)
}
