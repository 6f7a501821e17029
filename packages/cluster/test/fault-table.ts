/**
 * What calls come to when a peer is dead, frozen, slow, overloaded, flapping or moved, with real
 * processes: `node packages/cluster/test/fault-table.ts`. Prints the table of docs/resilience.md.
 */
import { faultNames, playFault } from './fault-run.ts'

const head = [
  'fault',
  'calls to the peer meanwhile',
  'a failed call took (p95)',
  'an open circuit answered in',
  'good again after',
  'calls to another peer (p95, before → meanwhile), failed'
]
console.log(`| ${head.join(' | ')} |\n|${head.map(() => ' --- ').join('|')}|`)
for (const name of faultNames) {
  const row = await playFault(name)
  const outcomes = Object.entries(row.outcomes).map(([outcome, count]) => `${outcome} ${count}`)
  const cells = [
    row.fault,
    outcomes.join(', '),
    `${row.failureMs.toFixed(1)} ms`,
    row.openCircuitMs === undefined ? '-' : `${row.openCircuitMs.toFixed(2)} ms`,
    row.recoveryMs === undefined ? '-' : `${(row.recoveryMs / 1_000).toFixed(2)} s`,
    `${row.beforeMs.toFixed(1)} → ${row.othersMs.toFixed(1)} ms, ${row.othersFailed}`
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
