/**
 * `node src/check.ts`: runs the budgets and compares their ratios with the committed baseline; exit
 * code 1 if one is worse beyond the tolerance. `--write` replaces the baseline.
 *
 * What looks worse is measured again, three times at most, and the best run counts: a slower program
 * is slow each time, a noisy machine is not.
 */
import { best, readBaseline, TOLERANCE, worsened, writeBaseline } from './baseline.ts'
import type { Ratios } from './baseline.ts'
import { budgets } from './benches/budgets.ts'
import { Children } from './children.ts'

const RUNS_MAX = 3

async function measure(): Promise<Ratios> {
  const children = new Children()
  try {
    const { figures } = await budgets.run({
      start: (module, args) => children.start(module, args),
      endChildren: () => children.end(),
      progress: () => undefined,
      wants: () => true
    })
    return ratiosOf(figures)
  } finally {
    await children.end()
  }
}

function ratiosOf(figures: Readonly<Record<string, unknown>>): Ratios {
  const settings = figures as Record<string, Record<string, { readonly ratio: number }>> // of budgets.ts
  return Object.fromEntries(
    Object.entries(settings).map(([setting, operations]) => [
      setting,
      Object.fromEntries(
        Object.entries(operations).map(([name, { ratio }]) => [name, Math.round(ratio * 100) / 100])
      )
    ])
  )
}

async function main(): Promise<number> {
  let ratios = await measure()
  if (process.argv.includes('--write')) {
    await writeBaseline(ratios)
    return 0
  }
  const baseline = await readBaseline()
  for (let run = 1; worsened(ratios, baseline).length > 0 && run < RUNS_MAX; run++) {
    ratios = best(ratios, await measure())
  }
  const problems = worsened(ratios, baseline)
  for (const problem of problems) console.error(problem)
  console.log(`budgets: ${problems.length} ratios worse than ${TOLERANCE} times the baseline`)
  return problems.length === 0 ? 0 : 1
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  }
)
