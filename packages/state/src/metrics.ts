import type { Counter, Metric, Metrics } from '@libp2p/interface'

/** Counters of the service; all absent where the node has no metrics. */
export interface Counters {
  readonly commits: Counter | undefined
  readonly takeOvers: Counter | undefined
  readonly appends: Counter | undefined
  readonly transfers: Counter | undefined
  readonly copied: Counter | undefined
  readonly resumes: Counter | undefined
  readonly corrupt: Counter | undefined
}

export function createCounters(
  metrics: Metrics | undefined,
  stats: () => {
    readonly documents: number
    readonly owned: number
    readonly entries: number
    readonly copying: number
  }
): Counters {
  const gauge = (name: string, help: string, calculate: () => number): Metric | undefined =>
    // The overload with `calculate` returns nothing; the metric is read by the collector.
    metrics?.registerMetric(name, { help, calculate }) ?? undefined
  gauge('murmuration_state_documents', 'Documents held by this peer', () => stats().documents)
  gauge('murmuration_state_owned', 'Documents owned by this peer', () => stats().owned)
  gauge('murmuration_state_entries', 'Updates above the floors', () => stats().entries)
  gauge(
    'murmuration_state_copying',
    'Documents that open streams have still to bring',
    () => stats().copying
  )
  const counter = (name: string, help: string): Counter | undefined =>
    metrics?.registerCounter(name, { help })
  return {
    commits: counter('murmuration_state_commits_total', 'Updates executed as owner'),
    takeOvers: counter('murmuration_state_tenures_total', 'Tenures begun'),
    appends: counter('murmuration_state_appends_total', 'Updates stored as replica'),
    transfers: counter('murmuration_state_transfers_total', 'Whole documents received'),
    copied: counter('murmuration_state_copied_bytes_total', 'Bytes of streams of copies received'),
    resumes: counter('murmuration_state_resumes_total', 'Streams of copies that broke and went on'),
    corrupt: counter('murmuration_state_corrupt_total', 'Damaged values found on disk')
  }
}
