import { SessionToken } from '@murmuration/agent'
import { diary, versionsOf } from '../agents.ts'
import { limits } from './workload.ts'
import type { Workload } from './workload.ts'

/** One session for each loop: writes by two writers in turn, and reads from whatever replica. */
export const sessions: Workload = {
  keys: 2,
  paceMs: 500,
  begin: ({ cluster, recorder, client, key }) => {
    const agent = cluster.agent(diary, key)
    const session = new SessionToken()
    let written = 0
    return (turn) => {
      if (turn % 2 === 1) {
        return recorder.do({ kind: 'diary', key, action: 'read', name: '' }, false, async () => {
          const reading = await agent.state({ ...limits, consistency: 'session', session })
          return { versions: versionsOf(reading.value.entries) }
        })
      }
      const writer = `${client}.${process.pid}.${key}.${written % 2}`
      const number = Math.floor(written++ / 2) + 1
      const name = `${writer}:${number}`
      return recorder.do({ kind: 'diary', key, action: 'write', name }, true, async () => ({
        versions: await agent.call('write', { writer, number }, { ...limits, session })
      }))
    }
  }
}
