/**
 * `node src/check.ts`: runs the budgets and compares their ratios with the committed baseline; exit
 * code 1 if one is worse beyond the tolerance. `--write` replaces the baseline.
 *
 * A brief look comes first. The operations that look worse are measured again, in full and three times
 * at most, and the best run counts: a slower program is slow each time, cold code or a noisy machine is not.
 */
import {
  best,
  namesOfWorsened,
  readBaseline,
  TOLERANCE,
  worsened,
  writeBaseline
} from './baseline.ts'
import type { Ratios } from './baseline.ts'
import { budgets } from './benches/budgets.ts'
import { Children } from './children.ts'

const FULL_RUNS_MAX = 3

async function measure(init: {
  readonly brief: boolean
  readonly wants?: (operation: string) => boolean
}): Promise<Ratios> {
  const children = new Children()
  try {
    const { figures } = await budgets.run({
      start: (module, args) => children.start(module, args),
      endChildren: () => children.end(),
      progress: () => undefined,
      wants: init.wants ?? (() => true),
      brief: init.brief
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
  if (process.argv.includes('--write')) {
    await writeBaseline(await measure({ brief: false }))
    return 0
  }
  const baseline = await readBaseline()
  let ratios = await measure({ brief: true })
  for (let run = 0; run < FULL_RUNS_MAX; run++) {
    const names = namesOfWorsened(ratios, baseline)
    if (names.size === 0) break
    ratios = best(ratios, await measure({ brief: false, wants: (name) => names.has(name) }))
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
