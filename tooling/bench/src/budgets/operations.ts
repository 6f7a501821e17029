import type { Cluster } from '@murmuration/cluster'
import { meter } from './agents.ts'
import type { BudgetCluster } from './cluster.ts'
import { RawClient } from './raw-client.ts'

/** One cross-peer operation. */
export interface Operation {
  readonly name: string
  /** Whether it is an answer only after two disks have it, one of them that of a third peer. */
  readonly isDurable?: boolean
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
    {
      name: 'call that updates',
      isDurable: true,
      run: (index) => agent(index).call('add', 1)
    },
    {
      name: 'update, eventual',
      isDurable: true,
      run: (index) => agent(index).update((draft) => draft.total.increment(1))
    },
    {
      name: 'update, session',
      isDurable: true,
      run: (index) =>
        agent(index).update((draft) => draft.total.increment(1), { consistency: 'session' })
    },
    {
      name: 'update, strong',
      isDurable: true,
      run: (index) =>
        agent(index).update((draft) => void (draft.level += 1), { consistency: 'strong' })
    },
    { name: 'read, strong', run: (index) => agent(index).state({ consistency: 'strong' }) },
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
    { name: 'signal, shard', run: (index) => publish(edge, { shard: `s${index % AGENTS}` }) },
    // There by gossip to all, and back from the one that was meant.
    { name: 'signal, cluster, answered', run: asking(edge, peers) }
  ]
}

/** What is asked by a signal to all members, of one of them. */
export interface Question {
  readonly to: string
  readonly from: string
  readonly id: number
}

function asking(edge: Cluster, peers: readonly string[]): Operation['run'] {
  const waiting = new Map<number, () => void>()
  edge.signals.subscribe('bench.answer', ({ data }) => {
    const { id } = data as { readonly id: number } // published by peer.ts
    waiting.get(id)?.()
    waiting.delete(id)
  })
  let asked = 0
  return async (index) => {
    const id = asked++
    const to = peers[index % peers.length] ?? ''
    const data: Question = { to, from: edge.peerId, id }
    const answered = new Promise<void>((resolve) => void waiting.set(id, resolve))
    await edge.signals.publish({ type: 'bench.ask', data }, { route: 'cluster' })
    await answered
  }
}

let unique = 0

async function publish(
  edge: Cluster,
  route: { readonly targeted: readonly string[] } | { readonly shard: string }
): Promise<void> {
  const { dropped } = await edge.signals.publish({ type: 'bench.tick', data: TEXT }, { route })
  if (dropped.length > 0) throw new Error(`dropped: ${dropped[0]?.reason}`)
}

/** What a raw socket does with as many bytes, behind the same delay. */
export async function raw(port: number): Promise<Operation & { close(): void }> {
  const client = await RawClient.connect(port)
  const bytes = Buffer.from(TEXT)
  return { name: 'raw', run: () => client.send(bytes), close: () => client.close() }
}
