import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { ExactTimer, isDue, monotonicMs } from './exact-timer.ts'

/**
 * Forwards TCP connections and holds every chunk back for a while, in both directions: one-way delay
 * between processes of one machine, without root. A process of its own, so that it competes with
 * nobody's work.
 */
const { delayMs, targets } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly delayMs: number
  readonly targets: readonly number[]
}

/** What is under way, in the order in which it is due: every chunk is held back equally long. */
const held: { readonly dueMs: number; readonly chunk: Buffer; readonly to: Socket }[] = []
let first = 0

const timer = await ExactTimer.start(() => {
  let next = held[first]
  for (; next !== undefined && isDue(next.dueMs); next = held[first]) {
    next.to.write(next.chunk)
    first++
  }
  if (first > 1_000) {
    held.splice(0, first)
    first = 0
  }
  if (next !== undefined) timer.set(next.dueMs)
})

function forward(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    const dueMs = monotonicMs() + delayMs
    held.push({ dueMs, chunk, to })
    if (first === held.length - 1) timer.set(dueMs)
  })
  const end = (): void => void setTimeout(() => to.destroy(), delayMs)
  from.on('close', end)
  from.on('error', end)
}

async function open(target: number): Promise<number> {
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) socket.setNoDelay(true)
    forward(near, far)
    forward(far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port // it listens on TCP
}

process.send?.(await Promise.all(targets.map(open)))
process.on('disconnect', () => process.exit(0))
