import type { Counter, CounterGroup, Metrics } from '@libp2p/interface'

/** What is counted; all absent where the node has no metrics. */
export interface DiscoveryMetrics {
  /** By result: `connected`, `failed`. */
  readonly dials?: CounterGroup<'connected' | 'failed'>
  readonly duplicates?: Counter
  readonly zombies?: Counter
  readonly silent?: Counter
}

/** Registers the metrics of this package. */
export function registerMetrics(
  metrics: Metrics | undefined,
  gauges: { readonly connected: () => number; readonly known: () => number }
): DiscoveryMetrics {
  if (metrics === undefined) {
    return {}
  }
  metrics.registerMetric('murmuration_discovery_connected_peers', {
    help: 'Peers with an open connection',
    calculate: gauges.connected
  })
  metrics.registerMetric('murmuration_discovery_known_peers', {
    help: 'Peers that are kept, connected or were found',
    calculate: gauges.known
  })
  return {
    dials: metrics.registerCounterGroup('murmuration_discovery_dials_total', {
      label: 'result',
      help: 'Dials that ended'
    }),
    duplicates: metrics.registerCounter('murmuration_discovery_duplicates_closed_total', {
      help: 'Second connections to one peer that were closed'
    }),
    zombies: metrics.registerCounter('murmuration_discovery_dead_connections_aborted_total', {
      help: 'Connections that looked open and were not'
    }),
    silent: metrics.registerCounter('murmuration_discovery_silent_peers_total', {
      help: 'Peers that did not answer a question in time'
    })
  }
}
