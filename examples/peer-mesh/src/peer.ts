import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import type { MergeReport } from '@murmuration/interface'
import { dialFrom } from '@murmuration/testkit'
import { device, host } from './agents.ts'
import { Announcements } from './announcements.ts'
import { leaveSignalsToLauncher, readChildInit, tell } from './child.ts'
import { parseDecimal } from './decimal.ts'
import { HostSampler } from './host-sample.ts'
import { Latencies } from './latency.ts'
import type { FromPeer, HostSample, ToPeer } from './protocol.ts'

/** One peer of the mesh: a process of its own, with its own key, port and disk. */
const STATUS_INTERVAL_MS = 500
const SAMPLE_INTERVAL_MS = 1_000
/** Agents of a merge that are shown one by one. */
const MERGE_EXAMPLES = 100
/** Of these: values of one side in one field, and characters of each. */
const VALUES_SHOWN = 4
const VALUE_CHARACTERS = 120

const init = readChildInit()
const send = (message: FromPeer): void => tell(message)
leaveSignalsToLauncher()

const latencies = new Latencies(500)
let signals = 0
let latest: HostSample | undefined

async function main(): Promise<void> {
  if (init.from !== undefined) dialFrom(init.from)
  const cluster = await createCluster({
    name: init.cluster,
    secret: init.secret,
    agents: [device, host],
    onPartition: init.onSplit,
    listen: [init.listen],
    ...(init.announce === undefined ? {} : { announce: [init.announce] }),
    bootstrap: init.bootstrap,
    labels: { index: String(init.index) },
    ...(init.dataDir === undefined ? {} : { dataDir: init.dataDir })
  })
  process.on('message', (message: ToPeer) => void end(cluster, message))
  const announcements = new Announcements(cluster)
  watch(cluster, announcements)
  send({ kind: 'listening', index: init.index, peer: cluster.peerId, addresses: cluster.addresses })
  await cluster.ready()
  send({ kind: 'ready', index: init.index })
  // At once, and not at the next interval: the launcher begins when all have told that they see all.
  cluster.membership.addEventListener('view', () => report(cluster))
  report(cluster)
  setInterval(() => {
    announcements.tellAgents()
    report(cluster)
  }, STATUS_INTERVAL_MS)
  if (init.live) await observe(cluster)
}

function watch(cluster: Cluster, announcements: Announcements): void {
  const tellView = (): void => {
    const { view } = cluster
    if (view === undefined) return
    const members = view.members.map(({ peer }) => peer)
    send({ kind: 'view', index: init.index, view: view.number, members, at: Date.now() })
    announcements.tellView(view.number, members)
  }
  cluster.membership.addEventListener('view', tellView)
  tellView()
  cluster.partition.addEventListener('merged', ({ detail }) => tellMerge(detail))
  cluster.signals.subscribe('**', (signal, { author }) => {
    signals++
    announcements.hear(signal, author)
    if (Announcements.isQuiet(signal.type)) return
    const subject = signal.subject ?? ''
    const { id, type } = signal
    send({ kind: 'signal', index: init.index, id, type, subject })
  })
}

function tellMerge({ began, ended, members, agents }: MergeReport): void {
  send({
    kind: 'merged',
    index: init.index,
    began,
    ended,
    durationMs: ended - began,
    members,
    agents: agents.length,
    both: agents.filter(({ sides }) => sides === 'both').length,
    conflicts: agents.filter(({ conflicts }) => conflicts.length > 0).length,
    // Those that several sides changed come first: they are what somebody has to look at.
    examples: agents
      .toSorted((a, b) => Number(b.sides === 'both') - Number(a.sides === 'both'))
      .slice(0, MERGE_EXAMPLES)
      .map(({ id, updates, elsewhere, sides, conflicts, owner, diverged }) => ({
        id,
        updates,
        elsewhere,
        sides,
        conflicts,
        owner,
        diverged: diverged.map(({ field, here, there }) => ({
          field,
          here: textsOf(here),
          there: textsOf(there)
        }))
      }))
  })
}

function textsOf(values: readonly unknown[]): string[] {
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? String(value) : value
  return values
    .slice(0, VALUES_SHOWN)
    .map((value) => (JSON.stringify(value, plain) ?? 'nothing').slice(0, VALUE_CHARACTERS))
}

function report(cluster: Cluster): void {
  const members = (cluster.view?.members ?? []).map(({ peer }) => peer)
  const [p50, p95] = latencies.quantiles([0.5, 0.95])
  send({
    kind: 'status',
    index: init.index,
    peer: cluster.peerId,
    view: cluster.view?.number ?? 0,
    members,
    reachable: members.filter(
      (peer) => peer === cluster.peerId || cluster.membership.reachability(peer) === 'reachable'
    ),
    standing: cluster.partition.status,
    verdict: cluster.partition.verdict(),
    agents: cluster.agents.running().map(({ id, calls, waiting }) => ({ id, calls, waiting })),
    documents: cluster.state.stats().documents,
    signals,
    host: latest,
    latency: { p50, p95 },
    rssBytes: process.memoryUsage.rss()
  })
}

/** Samples the machine once a second, for the host agent here and for devices anywhere. */
async function observe(cluster: Cluster): Promise<void> {
  const sampler = new HostSampler()
  const own = cluster.agent(host, cluster.peerId)
  for (let line = 1; ; line++) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_INTERVAL_MS))
    try {
      latest = await sampler.sample()
      await own.call('observe', latest)
      await Promise.all(Object.entries(latest).map((entry) => record(cluster, entry, line)))
    } catch (error) {
      // A call that failed while peers come and go: the next second brings the next sample.
      process.stderr.write(`peer ${init.index}: ${String(error)}\n`)
    }
  }
}

async function record(
  cluster: Cluster,
  [metric, number]: readonly [string, number],
  line: number
): Promise<void> {
  const value = parseDecimal(String(number)) ?? 0n
  const time = BigInt(Date.now()) * 1_000_000n
  const began = performance.now()
  await cluster
    .agent(device, `peer-${init.index}.${metric}`)
    .call('record', { metric, value, time, line })
  latencies.add(performance.now() - began)
}

async function end(cluster: Cluster, message: ToPeer): Promise<void> {
  try {
    if (message.kind === 'drain') await cluster.drain()
    else await cluster.stop()
    process.exit(0)
  } catch (error) {
    send({ kind: 'failed', index: init.index, reason: String(error) })
    process.exit(1)
  }
}

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error)
  send({ kind: 'failed', index: init.index, reason })
  setTimeout(() => process.exit(1), 100)
})
