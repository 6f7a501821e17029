import type { ScenarioReport } from './run.ts'

/** Scenarios in which one thing fails: what users meet most. */
const SINGLE = ['kill', 'kill-founder', 'wiped-disk', 'freeze', 'stall', 'full-disk', 'clock-jump']

/** The report as a table in Markdown, as docs/chaos.md has it. */
export function tableOf(reports: readonly ScenarioReport[]): string {
  const head = [
    'scenario',
    'peers',
    'result',
    'ok, failed, unknown',
    'per second before',
    'served again',
    'available'
  ]
  const rows = reports.map((report) => {
    const { scenario, network, peers, result, operations, before, servedAgainMs } = report
    const { ok, failed, unknown } = operations
    return [
      scenario,
      `${peers}, ${network}`,
      [result, ...report.reasons].join(': '),
      `${ok}, ${failed}, ${unknown}`,
      before.toFixed(0),
      servedAgainMs === undefined ? '' : `${(servedAgainMs / 1_000).toFixed(1)} s`,
      report.availability === undefined ? '' : `${(report.availability * 100).toFixed(2)} %`
    ]
  })
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const table = [head, head.map(() => '---'), ...rows].map(line).join('\n')
  return `${table}\n\n${singleFailures(reports)}\n`
}

/** Of all operations of runs with one failure, by the clients of the side that goes on. */
function singleFailures(reports: readonly ScenarioReport[]): string {
  const single = reports.filter(({ scenario }) => SINGLE.includes(scenario))
  const shares = single.flatMap(({ availability }) => availability ?? [])
  const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)
  return shares.length === 0
    ? 'No run of a single failure is among them.'
    : `Available through single failures (mean of ${shares.length} runs): ${(mean * 100).toFixed(2)} %.`
}
