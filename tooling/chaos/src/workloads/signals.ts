import type { Cluster } from '@murmuration/cluster'
import type { Heard } from '../protocol.ts'
import { limits, uniqueName } from './workload.ts'
import type { Workload } from './workload.ts'

const MODES = ['at-most-once', 'at-least-once'] as const
const TYPES = { 'at-most-once': 'chaos.tick', 'at-least-once': 'chaos.order' } as const

/** Publishes signals of both kinds in turn. */
export const signals: Workload = {
  keys: 1,
  paceMs: 500,
  begin:
    ({ cluster, recorder, client }) =>
    (turn) => {
      const delivery = MODES[turn % 2] ?? 'at-most-once'
      const name = uniqueName(client)
      const key = delivery
      return recorder.do({ kind: 'signal', key, action: 'publish', name }, true, async () => {
        const signal = { type: TYPES[delivery], data: name }
        const { accepted } = await cluster.signals.publish(signal, { delivery, ...limits })
        if (!accepted) throw new NotAcceptedError()
        return undefined
      })
    }
}

/** It may still arrive. */
class NotAcceptedError extends Error {
  override readonly name = 'NotAcceptedError'
  readonly outcomeUnknown = true
}

/**
 * Hears the signals of all peers. Resolves when all know of its durable subscription, for which a
 * signal is handled once `tell` has resolved.
 */
export async function hear(cluster: Cluster, tell: (heard: Heard) => Promise<void>): Promise<void> {
  cluster.signals.subscribe(TYPES['at-most-once'], ({ data }, { author }) => {
    void tell({ name: String(data), author, durable: false })
  })
  await cluster.signals.subscribeDurably(
    TYPES['at-least-once'],
    ({ data }, { author }) => tell({ name: String(data), author, durable: true }),
    { name: 'chaos', timeoutMs: 60_000 }
  )
}
