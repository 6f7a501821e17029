import { readFile, writeFile } from 'node:fs/promises'

/** Ratios of a run by operation, one map per setting. */
export type Ratios = Readonly<Record<string, Readonly<Record<string, number>>>>

/**
 * How much worse a ratio may get. Ratios against a raw socket of the same run cancel most of what
 * machines differ in, but not all: on two shared cores they were seen to double between runs.
 */
export const TOLERANCE = 3

const path = new URL('../baseline.json', import.meta.url)

export async function readBaseline(): Promise<Ratios> {
  return JSON.parse(await readFile(path, 'utf8')) as Ratios // written by `writeBaseline`
}

export async function writeBaseline(ratios: Ratios): Promise<void> {
  await writeFile(path, `${JSON.stringify(ratios, undefined, 2)}\n`)
}

/** The better of two runs, ratio by ratio: noise only ever makes one worse. */
export function best(a: Ratios, b: Ratios): Ratios {
  return Object.fromEntries(
    Object.entries(a).map(([setting, ratios]) => [
      setting,
      Object.fromEntries(
        Object.entries(ratios).map(([name, ratio]) => [
          name,
          Math.min(ratio, b[setting]?.[name] ?? ratio)
        ])
      )
    ])
  )
}

/** What is worse than the baseline by more than the tolerance, one line each. */
export function worsened(ratios: Ratios, baseline: Ratios): string[] {
  return worse(ratios, baseline).map(({ setting, name, before, now }) =>
    now === undefined
      ? `${setting}, ${name}: it is measured no more`
      : `${setting}, ${name}: ${now.toFixed(1)} times the raw socket, ${before.toFixed(1)} before`
  )
}

/** The operations to measure again: worse in any setting, and still there. */
export function namesOfWorsened(ratios: Ratios, baseline: Ratios): ReadonlySet<string> {
  const found = worse(ratios, baseline)
  return new Set(found.filter(({ now }) => now !== undefined).map(({ name }) => name))
}

interface Worse {
  readonly setting: string
  readonly name: string
  readonly before: number
  readonly now: number | undefined
}

function worse(ratios: Ratios, baseline: Ratios): Worse[] {
  return Object.entries(baseline).flatMap(([setting, wanted]) =>
    Object.entries(wanted).flatMap(([name, before]) => {
      const now = ratios[setting]?.[name]
      if (now !== undefined && now <= before * TOLERANCE) return []
      return [{ setting, name, before, now }]
    })
  )
}
