import { isFactual } from '@murmuration/interface'
import type { Metrics } from '@libp2p/interface'

/** Upper bounds in seconds: from a call within the process to one that waits for its deadline. */
const secondsBuckets = [
  0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
  0.5, 1, 2.5, 5, 10
]

/** Outcomes that are counted apart; handlers choose names of errors, so there must be a bound. */
const outcomesMax = 64

/** Told of each call, update and signal of this peer when it has ended. */
export type Observer = (seconds: number, outcome: unknown) => void

/** Registers the metrics of this package. Outcomes are `done`, or the name of the error. */
export function registerMetrics(
  metrics: Metrics | undefined,
  activations: () => number
): Observer | undefined {
  if (metrics === undefined) return undefined
  metrics.registerMetric('murmuration_agent_activations', {
    help: 'Agents that run on this peer',
    calculate: activations
  })
  const calls = metrics.registerCounterGroup('murmuration_agent_calls_total', {
    label: 'outcome',
    help: 'Calls, updates and signals of this peer that ended, by outcome'
  })
  const seconds = metrics.registerHistogram('murmuration_agent_call_duration_seconds', {
    help: 'Seconds from a call, update or signal of this peer to its end, retries included',
    buckets: secondsBuckets
  })
  const known = new Set<string>()
  return (duration, error) => {
    seconds.observe(duration)
    const outcome = error === undefined ? 'done' : isFactual(error) ? error.name : 'Error'
    if (known.size < outcomesMax) known.add(outcome)
    calls.increment({ [known.has(outcome) ? outcome : 'other']: 1 })
  }
}
