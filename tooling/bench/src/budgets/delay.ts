import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/**
 * Forwards TCP connections and holds every chunk back for a while, in both directions: one-way delay
 * between processes of one machine, without root. A process of its own, so that its timers compete
 * with nobody's.
 */
const { delayMs, targets } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly delayMs: number
  readonly targets: readonly number[]
}

/** Timers are exact to a millisecond at best: the end of a wait is polled. */
const POLLED_MS = 1.2

function forward(from: Socket, to: Socket): void {
  const held: { readonly at: number; readonly chunk: Buffer }[] = []
  let armed = false
  const arm = (): void => {
    const remaining = (held[0]?.at ?? 0) - performance.now()
    if (remaining > POLLED_MS) setTimeout(release, remaining - POLLED_MS)
    else setImmediate(release)
  }
  const release = (): void => {
    const now = performance.now()
    while (held[0] !== undefined && held[0].at <= now) to.write(held.shift()?.chunk ?? '')
    armed = held.length > 0
    if (armed) arm()
  }
  from.on('data', (chunk) => {
    held.push({ at: performance.now() + delayMs, chunk: Buffer.from(chunk) })
    if (armed) return
    armed = true
    arm()
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
