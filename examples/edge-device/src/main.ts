/**
 * Two members and a device: `pnpm --filter @murmuration/example-edge-device exec node src/main.ts`
 * or `node examples/edge-device/src/main.ts [seconds]`. The device is a process of its own with
 * `--max-old-space-size=64 --max-semi-space-size=1`. Members call the agent that it runs. Prints what the
 * device measured of itself, its traffic, and what becomes of a call once it has gone.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createCluster } from '@murmuration/cluster'
import { sensor, thermostat } from './agents.ts'
import { meteredRelay } from './metered-relay.ts'

const seconds = Number(process.argv[2] ?? 5)
const common = {
  name: 'edge-example',
  secret: 'a secret of this example only',
  agents: [sensor, thermostat],
  listen: ['/ip4/127.0.0.1/tcp/0']
}
const first = await createCluster(common)
const second = await createCluster({ ...common, bootstrap: first.addresses })
await Promise.all([first.ready(), second.ready()])

// The device reaches the cluster through a pipe that counts bytes.
const relay = await meteredRelay(first.addresses[0] ?? '')
const device = spawn(
  process.execPath,
  [
    '--max-old-space-size=64',
    '--max-semi-space-size=1',
    fileURLToPath(new URL('device.ts', import.meta.url)),
    JSON.stringify({ ...common, bootstrap: [relay.address], key: 'boiler', seconds })
  ],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Else glibc keeps a pool of memory for each thread of Node: 15 MB in all.
    env: { ...process.env, MALLOC_ARENA_MAX: '1' }
  }
)
const lines: string[] = []
let called = 0
createInterface({ input: device.stdout }).on('line', (line) => {
  lines.push(line)
  // The first one names the device.
  if (lines.length === 1) void callDevice()
})
const [code] = (await once(device, 'close')) as [number]
if (code === 0) {
  const measured = JSON.parse(lines.at(-1) ?? '') as Record<string, number>
  const readings = (await first.agent(sensor, 'boiler').state()).value.readings
  const traffic = {
    kilobytesIn: kilobytes(relay.toDevice()),
    kilobytesOut: kilobytes(relay.fromDevice())
  }
  const own = second.agent(thermostat, peerId())
  // Nobody runs it now, and members keep what it was.
  const gone = await own.call('set', 0, { timeoutMs: 1_000 }).catch((error: Error) => error.name)
  const kept = (await own.state({ stale: true })).value.changes
  const told = { ...measured, readings, called, gone, kept, ...traffic }
  process.stdout.write(`${JSON.stringify(told)}\n`)
}
relay.close()
await Promise.all([second.stop(), first.stop()])
process.exitCode = code

/** Its own agent, from a member. */
async function callDevice(): Promise<void> {
  await second.agent(thermostat, peerId()).call('set', 21)
  called++
}

function peerId(): string {
  return (JSON.parse(lines[0] ?? '{}') as { readonly peerId?: string }).peerId ?? ''
}

function kilobytes(bytes: number): number {
  return Math.round(bytes / 1_024)
}
