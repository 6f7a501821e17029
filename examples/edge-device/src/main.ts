/**
 * Two members and a device: `pnpm --filter @murmuration/example-edge-device exec node src/main.ts`
 * or `node examples/edge-device/src/main.ts [seconds]`. The device is a process of its own with
 * `--max-old-space-size=64 --max-semi-space-size=1`. Prints what the device measured of itself, and its traffic.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createCluster } from '@murmuration/cluster'
import { sensor } from './agents.ts'
import { meteredRelay } from './metered-relay.ts'

const seconds = Number(process.argv[2] ?? 5)
const common = {
  name: 'edge-example',
  secret: 'a secret of this example only',
  agents: [sensor],
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
  { stdio: ['ignore', 'pipe', 'inherit'] }
)
let output = ''
device.stdout.on('data', (text) => (output += String(text)))
const [code] = (await once(device, 'close')) as [number]
if (code === 0) {
  const measured = JSON.parse(output) as Record<string, number>
  const readings = (await first.agent(sensor, 'boiler').state()).value.readings
  const traffic = {
    kilobytesIn: kilobytes(relay.toDevice()),
    kilobytesOut: kilobytes(relay.fromDevice())
  }
  process.stdout.write(`${JSON.stringify({ ...measured, readings, ...traffic })}\n`)
}
relay.close()
await Promise.all([second.stop(), first.stop()])
process.exitCode = code

function kilobytes(bytes: number): number {
  return Math.round(bytes / 1_024)
}
