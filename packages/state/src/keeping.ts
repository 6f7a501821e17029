import type { Context } from './context.ts'
import { keepQuietMs } from './defaults.ts'
import { edgeOf } from './placements.ts'
import type { Tenure } from './tenure.ts'

/**
 * Whether this member only keeps the copies of a document complete that an edge peer owns: it folds
 * nothing then. The edge peer sends to all replicas itself; when it has been quiet for long, the
 * others get from here what they may lack.
 */
export function isKeeping(context: Context, tenure: Tenure, idle: boolean): boolean {
  const { clock, edge, membership } = context
  const { view } = membership
  if (edge !== undefined || view === undefined || edgeOf(view, tenure.record) === undefined) {
    return false
  }
  const quietMs = clock.monotonic() - tenure.held.changedAt
  if (idle && quietMs >= keepQuietMs && !tenure.replication.durable) context.send(tenure)
  return true
}

/** The edge peer that owns a document has changed it here, and sends the same to all replicas. */
export function touched(context: Context, tenure: Tenure): void {
  tenure.replication.merged()
  if (context.membership.settled !== tenure.epoch.view) context.send(tenure)
}
