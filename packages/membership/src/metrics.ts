import type { Metrics } from '@libp2p/interface'
import type { Counted } from './core/outbox.ts'

const help: Record<Counted, string> = {
  views: 'Views adopted',
  attempts: 'Attempts of this peer to decide a view',
  attempts_failed: 'Attempts of this peer that decided nothing',
  vetoes: 'Votes refused because the peer to be removed had just been heard',
  stalls: 'Times this peer found that its own event loop had stood still',
  joins_refused: 'Requests to join that this peer refused',
  clusters_met: 'Other clusters of the same name that were met and not merged',
  unverified: 'Views that were announced without the votes of a majority, and not adopted',
  forced: 'Views adopted that an operator forced without a majority',
  lapses: 'Times the lease of this peer ended without a renewal'
}

/** What the gauges show. */
export interface Figures {
  readonly number: () => number
  readonly members: () => number
  readonly unsettled: () => number
}

/** Registers the counters and gauges of membership; returns how to count. */
export function registerMetrics(
  metrics: Metrics | undefined,
  figures: Figures
): (name: Counted) => void {
  if (metrics === undefined) {
    return () => {}
  }
  const prefix = 'murmuration_membership'
  metrics.registerMetric(`${prefix}_view_number`, {
    help: 'Number of the newest adopted view',
    calculate: figures.number
  })
  metrics.registerMetric(`${prefix}_members`, {
    help: 'Members of the newest adopted view',
    calculate: figures.members
  })
  metrics.registerMetric(`${prefix}_unsettled_views`, {
    help: 'Views that are kept because their data may not be copied yet',
    calculate: figures.unsettled
  })
  // The names are the keys of `help`, all of them.
  const names = Object.keys(help) as Counted[]
  const counters = new Map(
    names.map((name) => [
      name,
      metrics.registerCounter(`${prefix}_${name}_total`, { help: help[name] })
    ])
  )
  return (name) => counters.get(name)?.increment()
}
