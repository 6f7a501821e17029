import type { Metrics } from '@libp2p/interface'
import type { MurmurationError } from '@murmuration/interface'
import type { CallObserver } from './core/calling.ts'

/** Upper bounds in seconds: from a call within the machine to one that waits for its deadline. */
const secondsBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
]

export interface Gauges {
  /** Calls under way from this peer. */
  callsInFlight(): number
  /** Requests that run here. */
  requestsInFlight(): number
}

/** Registers the metrics of this package; the observer counts calls. */
export function registerMetrics(metrics: Metrics, gauges: Gauges): CallObserver {
  metrics.registerMetric('murmuration_rpc_calls_in_flight', {
    help: 'Calls that wait for their answer',
    calculate: () => gauges.callsInFlight()
  })
  metrics.registerMetric('murmuration_rpc_requests_in_flight', {
    help: 'Requests of other peers that run here',
    calculate: () => gauges.requestsInFlight()
  })
  const calls = metrics.registerCounter('murmuration_rpc_calls_total', {
    help: 'Calls that ended, well or not'
  })
  const errors = metrics.registerCounterGroup('murmuration_rpc_errors_total', {
    label: 'code',
    help: 'Calls that failed, by error code'
  })
  const latency = metrics.registerHistogram('murmuration_rpc_call_duration_seconds', {
    help: 'Seconds from a call to its end',
    buckets: secondsBuckets
  })
  const known = new Set<string>()
  return {
    ended: (seconds: number, error: MurmurationError | undefined): void => {
      calls.increment()
      latency.observe(seconds)
      if (error === undefined) return
      // Codes come from other peers too: a label per code must not let them fill the memory.
      if (known.size < labelsMax) known.add(error.code)
      errors.increment({ [known.has(error.code) ? error.code : 'other']: true })
    }
  }
}

/** Error codes that are counted apart. */
const labelsMax = 128
