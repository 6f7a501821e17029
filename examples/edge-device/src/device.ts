/**
 * A device: goes in as an edge peer, reports a reading a second, hears signals, runs an agent of its
 * own, and prints what that costs. Takes the cluster's name, its secret and one address of a member as
 * JSON. Tells its PeerId first.
 */
import { loadavg } from 'node:os'
import { createCluster } from '@murmuration/cluster'
import { sensor, thermostat } from './agents.ts'

interface Options {
  readonly name: string
  readonly secret: string
  readonly bootstrap: readonly string[]
  readonly key: string
  readonly seconds: number
}

// Written by the program beside this file, or by whoever starts a device by hand.
const options = JSON.parse(process.argv[2] ?? '{}') as Options
const { name, secret, bootstrap, key, seconds } = options

const cluster = await createCluster({
  name,
  secret,
  bootstrap,
  role: 'edge',
  agents: [sensor, thermostat],
  listen: ['/ip4/127.0.0.1/tcp/0']
})
await cluster.ready()
let heard = 0
cluster.signals.subscribe('sensor.*', () => {
  heard++
})
const ref = cluster.agent(sensor, key)
const own = cluster.agent(thermostat, cluster.peerId)

process.stdout.write(`${JSON.stringify({ peerId: cluster.peerId })}\n`)

/** Nothing is asked of it for a while: what it costs to be there. */
await pause(2_000)
const idleFrom = process.cpuUsage()
await pause(3_000)
const idle = process.cpuUsage(idleFrom)

let acknowledged = 0
let copies = 0
const busyFrom = process.cpuUsage()
for (let second = 0; second < seconds; second++) {
  const count = await ref.call('report', 20 + ((second * 37) % 80))
  acknowledged++
  if (count < acknowledged) throw new Error(`${acknowledged} were acknowledged, ${count} are there`)
  copies = (await ref.state()).replicas.length
  await own.call('set', second)
  await pause(1_000)
}
const busy = process.cpuUsage(busyFrom)
const { value, replicas } = await own.state()

process.stdout.write(
  `${JSON.stringify({
    rssMb: megabytes(process.memoryUsage.rss()),
    heapMb: megabytes(process.memoryUsage().heapUsed),
    idleCpuPercent: percent(idle, 3),
    busyCpuPercent: percent(busy, Math.max(1, seconds)),
    acknowledged,
    copies,
    heard,
    ownChanges: value.changes,
    ownCopies: replicas.length,
    load: loadavg()[0]
  })}\n`
)
await cluster.stop()

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_048_576)
}

function percent({ user, system }: NodeJS.CpuUsage, elapsed: number): number {
  return Math.round((user + system) / (elapsed * 10_000)) / 1
}
