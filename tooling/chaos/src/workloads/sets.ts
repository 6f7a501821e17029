import { setTypes } from '../agents.ts'
import type { SetKind } from '../agents.ts'
import { limits, uniqueName } from './workload.ts'
import type { Client, Workload } from './workload.ts'

/** Adds names, removes some of them, and asks how many there were. */
export function sets(keys: number, paceMs: number): readonly Workload[] {
  return (['ledger', 'board'] as const).map((kind) => ({
    keys,
    paceMs,
    begin: (client) => begin(kind, client)
  }))
}

function begin(
  kind: SetKind,
  { cluster, recorder, client, key }: Client
): (turn: number) => Promise<void> {
  const agent = cluster.agent(setTypes[kind], key)
  let last: string | undefined
  return async (turn) => {
    if (turn % 8 === 7) {
      await recorder.do({ kind, key, action: 'size', name: '' }, false, async () => {
        await agent.call('size', null, limits)
        return undefined
      })
    } else if (turn % 4 === 3 && last !== undefined) {
      const name = last
      last = undefined
      await recorder.do({ kind, key, action: 'remove', name }, true, async () => {
        return { had: await agent.call('remove', { name }, limits) }
      })
    } else {
      const name = uniqueName(client)
      const outcome = await recorder.do({ kind, key, action: 'add', name }, true, async () => {
        await agent.call('add', { name }, limits)
        return undefined
      })
      last = outcome === 'ok' ? name : undefined
    }
  }
}
