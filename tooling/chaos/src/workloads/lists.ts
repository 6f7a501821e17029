import { journal } from '../agents.ts'
import { limits, uniqueName } from './workload.ts'
import type { Workload } from './workload.ts'

const strong = { ...limits, consistency: 'strong' } as const
/** Elements of a list, which is one register of 256 KiB and travels with each update. */
const LENGTH_MAX = 2_000

/** Appends to lists that are agreed, and reads them. */
export const lists: Workload = {
  keys: 2,
  paceMs: 1_000,
  begin: ({ cluster, recorder, client, key }) => {
    const agent = cluster.agent(journal, key)
    let length = 0
    return (turn) => {
      if (turn % 3 === 2 || length >= LENGTH_MAX) {
        return recorder.do({ kind: 'journal', key, action: 'list', name: '' }, false, async () => {
          const { value } = await agent.state(strong)
          return { list: [...value.list] }
        })
      }
      const name = uniqueName(client)
      return recorder.do({ kind: 'journal', key, action: 'append', name }, true, async () => {
        let list: string[] = []
        await agent.update((draft) => {
          draft.list.push(name)
          // The last run is the one that was agreed.
          list = [...draft.list]
        }, strong)
        length = list.length
        return { list }
      })
    }
  }
}
