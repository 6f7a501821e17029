import { createCluster } from '@murmuration/cluster'
import { meter } from './agents.ts'
import type { Question } from './operations.ts'

/** A member with a disk, which answers what it is asked by a signal. */
export interface PeerArguments {
  readonly port: number
  readonly announce: string | undefined
  readonly bootstrap: readonly string[]
  readonly dataDir: string
  readonly secret: string
}

export interface PeerReady {
  readonly addresses: readonly string[]
  readonly peer: string
}

const init = JSON.parse(process.argv[2] ?? '{}') as PeerArguments // written by cluster.ts beside it
const cluster = await createCluster({
  name: 'budgets',
  secret: init.secret,
  agents: [meter],
  listen: [`/ip4/127.0.0.1/tcp/${init.port}`],
  bootstrap: init.bootstrap,
  dataDir: init.dataDir,
  ...(init.announce === undefined ? {} : { announce: [init.announce] })
})
cluster.signals.subscribe('bench.tick', () => undefined)
cluster.signals.subscribe('bench.ask', async ({ data }) => {
  const { to, from, id } = data as Question // published by operations.ts
  if (to !== cluster.peerId) return
  await cluster.signals.publish(
    { type: 'bench.answer', data: { id } },
    { route: { targeted: [from] } }
  )
})
const ready: PeerReady = { addresses: cluster.addresses, peer: cluster.peerId }
process.send?.(ready)
process.on('disconnect', () => process.exit(0))
