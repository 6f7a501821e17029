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

function forward(from: Socket, to: Socket): void {
  const held: { readonly at: number; readonly chunk: Buffer }[] = []
  let armed = false
  const release = (): void => {
    const now = performance.now()
    while (held[0] !== undefined && held[0].at <= now) to.write(held.shift()?.chunk ?? '')
    armed = held.length > 0
    if (armed) setTimeout(release, Math.max(0, (held[0]?.at ?? 0) - performance.now()))
  }
  from.on('data', (chunk) => {
    held.push({ at: performance.now() + delayMs, chunk: Buffer.from(chunk) })
    if (armed) return
    armed = true
    setTimeout(release, delayMs)
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
