/** One peer under test: a process of its own, with its own key, port, disk and load. */
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { dialFrom } from '@murmuration/testkit'
import { agentTypes, setTypes } from './agents.ts'
import { onEffectTaken } from './effects.ts'
import { Load } from './load.ts'
import type { FromPeer, Heard, PeerInit, ToPeer } from './protocol.ts'
import { Recorder } from './recorder.ts'
import { hear } from './workloads/signals.ts'

const STATUS_MS = 250
const READ_MS = 10_000

// Written by the launcher of the same program.
const init = JSON.parse(process.env['MURMURATION_CHAOS_PEER'] ?? '{}') as PeerInit
const trueNow = Date.now.bind(Date)

function tell(message: FromPeer, then: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, then)
}

async function main(): Promise<void> {
  if (init.from !== undefined) dialFrom(init.from)
  const cluster = await createCluster({
    name: 'chaos',
    secret: init.secret,
    agents: agentTypes,
    listen: [init.listen],
    ...(init.announce === undefined ? {} : { announce: [init.announce] }),
    bootstrap: init.bootstrap,
    dataDir: init.dataDir,
    labels: { index: String(init.index) }
  })
  tell({ kind: 'listening', peer: cluster.peerId, addresses: cluster.addresses })
  cluster.partition.addEventListener('healed', ({ detail }) => {
    tell({ kind: 'healed', durationMs: detail.ended - detail.began, missed: detail.missed.length })
  })
  const recorder = new Recorder(init.index, trueNow, (operations) =>
    tell({ kind: 'operations', operations })
  )
  const load = new Load(cluster, init, recorder)
  process.on('message', (message: ToPeer) => void obey(cluster, load, message))
  setInterval(() => {
    const { view } = cluster
    tell({
      kind: 'status',
      view: view?.number ?? 0,
      members: view?.members.length ?? 0,
      settled: cluster.membership.settled,
      unreported: unreportedOf(cluster),
      unsettled: cluster.state.stats().unsettled,
      standing: cluster.partition.status,
      links: cluster.partition.kind,
      busy: recorder.busy
    })
  }, STATUS_MS)
  await cluster.ready()
  tell({ kind: 'ready' })
  load.begin()
  // Without load nothing is heard either.
  if (init.keys > 0) await listen(cluster)
}

/** Whom and what the view waits for: numbers of peers, and layers of this one. */
function unreportedOf({ view, membership }: Cluster): string {
  const { members, layers } = membership.unreported
  const indexOf = (peer: string): string =>
    view?.members.find((member) => member.peer === peer)?.labels['index'] ?? peer
  return [...members.map(indexOf), ...layers].join(' ')
}

/** What is heard is told in batches, and counts as handled when it is told: a kill may come before. */
async function listen(cluster: Cluster): Promise<void> {
  let heard: Heard[] = []
  let told = Promise.withResolvers<void>()
  setInterval(() => {
    if (heard.length > 0) tell({ kind: 'heard', heard }, told.resolve)
    heard = []
    told = Promise.withResolvers()
  }, STATUS_MS)
  for (;;) {
    try {
      await hear(cluster, (one) => {
        heard.push(one)
        return told.promise
      })
      break
    } catch {
      // In a split not all members can know of it: again, until they do.
    }
  }
  tell({ kind: 'subscribed' })
}

async function obey(cluster: Cluster, load: Load, message: ToPeer): Promise<void> {
  switch (message.kind) {
    case 'rest':
      load.rest()
      return
    case 'load':
      load.begin()
      return
    case 'read':
      tell(await read(cluster, message))
      return
    case 'effect-taken':
      onEffectTaken(message)
      return
    case 'clock':
      // The wall clock only: a process cannot change the monotonic one.
      Date.now = () => trueNow() + message.skewMs
      return
    case 'drain':
      await cluster.drain()
      process.exit(0)
    case 'end':
      await cluster.stop()
      process.exit(0)
  }
}

async function read(
  cluster: Cluster,
  { id, of, key, stale }: Extract<ToPeer, { kind: 'read' }>
): Promise<FromPeer> {
  try {
    const agent = cluster.agent(setTypes[of], key)
    const { value, replicas } = await agent.state({ timeoutMs: READ_MS, stale })
    return { kind: 'answer', id, reading: { count: value.count, names: value.names, replicas } }
  } catch (error) {
    return { kind: 'answer', id, error: String(error) }
  }
}

process.on('disconnect', () => process.exit(1))
process.on('SIGINT', () => undefined)
main().catch((error: unknown) => {
  tell({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? '') : String(error) })
  setTimeout(() => process.exit(1), 100)
})
