import { connect } from 'node:net'
import type { Cluster } from '@murmuration/cluster'
import { meter } from './agents.ts'
import type { BudgetCluster } from './cluster.ts'

/** One cross-peer operation. */
export interface Operation {
  readonly name: string
  run(index: number): Promise<unknown>
}

const AGENTS = 64
const TEXT = 'x'.repeat(200)

/** Every cross-peer operation there is, asked by a peer that owns nothing. */
export function operationsOf({ edge, peers }: BudgetCluster): Operation[] {
  const agent = (index: number): ReturnType<typeof edge.agent<typeof meter>> =>
    edge.agent(meter, `m${index % AGENTS}`)
  return [
    { name: 'call', run: (index) => agent(index).call('echo', TEXT) },
    { name: 'call that updates', run: (index) => agent(index).call('add', 1) },
    {
      name: 'update, eventual',
      run: (index) => agent(index).update((draft) => draft.total.increment(1))
    },
    {
      name: 'update, session',
      run: (index) =>
        agent(index).update((draft) => draft.total.increment(1), { consistency: 'session' })
    },
    { name: 'read, session', run: (index) => agent(index).state({ consistency: 'session' }) },
    // A new name each time: nothing is cached.
    {
      name: 'find, not cached',
      run: (index) => edge.registry.find(meter.id(`f${unique++}-${index}`))
    },
    { name: 'claim', run: (index) => edge.registry.claim(meter.record(`c${index % AGENTS}`)) },
    {
      name: 'signal, targeted',
      run: (index) => publish(edge, { targeted: [peers[index % peers.length] ?? ''] })
    },
    { name: 'signal, shard', run: (index) => publish(edge, { shard: `s${index % AGENTS}` }) }
  ]
}

let unique = 0

async function publish(
  edge: Cluster,
  route: { readonly targeted: readonly string[] } | { readonly shard: string }
): Promise<void> {
  const { dropped } = await edge.signals.publish({ type: 'bench.tick', data: TEXT }, { route })
  if (dropped.length > 0) throw new Error(`dropped: ${dropped[0]?.reason}`)
}

/** A raw echo of as many bytes, behind the same delay. */
export async function rawEcho(port: number): Promise<Operation & { close(): void }> {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  const waiting: { missing: number; readonly done: () => void }[] = []
  socket.on('data', (chunk) => {
    let length = chunk.length
    while (length > 0 && waiting[0] !== undefined) {
      const taken = Math.min(length, waiting[0].missing)
      waiting[0].missing -= taken
      length -= taken
      if (waiting[0].missing === 0) waiting.shift()?.done()
    }
  })
  return {
    name: 'raw echo',
    run: () =>
      new Promise<void>((resolve) => {
        waiting.push({ missing: TEXT.length, done: resolve })
        socket.write(TEXT)
      }),
    close: () => socket.destroy()
  }
}
