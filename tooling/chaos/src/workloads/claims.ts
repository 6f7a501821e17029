import { shift } from '../agents.ts'
import { DEADLINE_MS, limits, uniqueName } from './workload.ts'
import type { Workload } from './workload.ts'

/** One turn in so many is a claim: each brings the agent to another peer by a view. */
const CLAIM_EVERY = 12

/** Claims agents for its own peer now and then, and has them act outside of the cluster. */
export const claims: Workload = {
  keys: 2,
  paceMs: 1_000,
  begin: ({ cluster, recorder, client, key }) => {
    const agent = cluster.agent(shift, key)
    return (turn) => {
      // Peers claim at different times, so that agents move about all the time.
      if ((turn + 2 * client) % CLAIM_EVERY === 3) {
        const name = uniqueName(client)
        return recorder.do({ kind: 'shift', key, action: 'claim', name }, false, async () => {
          const signal = AbortSignal.timeout(DEADLINE_MS)
          const result = await cluster.registry.claim(shift.record(key), { here: true, signal })
          // Any answer is one: what the checks look at is an epoch that was given.
          return result.status === 'claimed' ? { epoch: result.epoch } : undefined
        })
      }
      const name = uniqueName(client)
      return recorder.do({ kind: 'shift', key, action: 'act', name }, true, async () => {
        await agent.call('act', { name }, limits)
        return undefined
      })
    }
  }
}
