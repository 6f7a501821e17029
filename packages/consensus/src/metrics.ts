import type { Counter, Metrics } from '@libp2p/interface'
import type { ProposerPorts } from './core/proposer.ts'
import type { RegistersStats } from './contract.ts'

type Counted = Parameters<ProposerPorts['count']>[0] | 'corrupt' | 'moved' | 'erased'

const helps: Readonly<Record<Counted, string>> = {
  rounds: 'Exchanges with acceptors that promise or accept',
  fastRounds: 'Changes that needed no prepare',
  conflicts: 'Replies that named a higher ballot',
  peeks: 'Reads tried in one round trip',
  resolved: 'Lost accepts whose fate was asked for',
  corrupt: 'Damaged records found on disk',
  moved: 'Registers agreed anew for a new home set',
  erased: 'Records erased after they were settled elsewhere'
}

/** Counts events where the node has metrics. */
export function registerMetrics(
  metrics: Metrics | undefined,
  stats: () => RegistersStats
): (event: Counted) => void {
  if (metrics === undefined) {
    return () => {}
  }
  const gauge = (name: keyof RegistersStats, help: string): void => {
    metrics.registerMetric(`murmuration_registers_${name}`, {
      help,
      calculate: () => stats()[name]
    })
  }
  gauge('waiting', 'Operations that wait')
  gauge('proposers', 'Registers known as a proposer')
  gauge('records', 'Records in memory')
  gauge('damaged', 'Records of which a part was lost')
  const counters = new Map<string, Counter>()
  for (const [event, help] of Object.entries(helps)) {
    const snake = event.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    counters.set(event, metrics.registerCounter(`murmuration_registers_${snake}_total`, { help }))
  }
  return (event) => counters.get(event)?.increment()
}
