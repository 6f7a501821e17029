import type { Mark, ScenarioReport, Second } from './run.ts'

const WIDTH = 720
const HEIGHT = 120

/** The report as a page of its own, with a plot of each scenario. */
export function pageOf(reports: readonly ScenarioReport[]): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Chaos</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
.held { color: #087f23; } .violated, .broken { color: #b00020; } .skipped { color: #666; }
svg { background: #fafafa; display: block; margin: .3rem 0; } text { font-size: 10px; fill: #555; }
</style>
<h1>Chaos</h1>
${tableOf(reports)}
${reports
  .filter(({ seconds }) => seconds.length > 0)
  .map(sectionOf)
  .join('\n')}
</html>
`
}

function tableOf(reports: readonly ScenarioReport[]): string {
  const rows = reports.map((report) => {
    const { scenario, network, peers, result, operations, before, servedAgainMs } = report
    const cells = [
      escape(scenario),
      `${peers} peers, ${network}`,
      `<b class="${result}">${result}</b>`,
      `${operations.ok} ok, ${operations.failed} failed, ${operations.unknown} unknown`,
      `${before.toFixed(0)}/s`,
      servedAgainMs === undefined ? '' : `${Math.round(servedAgainMs)} ms`,
      report.availability === undefined ? '' : `${(report.availability * 100).toFixed(2)} %`,
      report.reasons.map(escape).join('<br>')
    ]
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  const head = [
    'scenario',
    'where',
    'result',
    'operations',
    'before',
    'served again',
    'available',
    ''
  ]
  return `<table><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr>
${rows.join('\n')}</table>`
}

function sectionOf(report: ScenarioReport): string {
  const { scenario, summary, seconds, marks } = report
  return `<h2>${escape(scenario)}</h2>
<p>${escape(summary)}</p>
${plot(seconds, marks, [
  ['ok per second', '#087f23', ({ ok }) => ok],
  ['failed or unknown', '#b00020', ({ failed, unknown }) => failed + unknown]
])}
${plot(seconds, marks, [['p95, ms', '#1846a3', ({ p95Ms }) => p95Ms]])}`
}

type Line = readonly [name: string, colour: string, of: (second: Second) => number]

function plot(seconds: readonly Second[], marks: readonly Mark[], lines: readonly Line[]): string {
  const most = Math.max(1, ...lines.flatMap(([, , of]) => seconds.map(of)))
  const x = (second: number): string => ((second / Math.max(1, seconds.length)) * WIDTH).toFixed(1)
  const y = (value: number): string => (HEIGHT - (value / most) * (HEIGHT - 12)).toFixed(1)
  const paths = lines.map(([, colour, of]) => {
    const points = seconds.map((second, at) => `${x(at + 0.5)},${y(of(second))}`).join(' ')
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>`
  })
  const faults = marks.map(({ atMs, what }) => {
    const at = x(atMs / 1_000)
    return `<line x1="${at}" x2="${at}" y1="0" y2="${HEIGHT}" stroke="#999" stroke-dasharray="3"><title>${escape(what)}</title></line>`
  })
  const names = lines.map(
    ([name, colour], at) => `<text x="4" y="${12 + at * 12}" style="fill:${colour}">${name}</text>`
  )
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">
${faults.join('')}${paths.join('')}${names.join('')}<text x="${WIDTH - 60}" y="12">max ${Math.round(most)}</text></svg>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
