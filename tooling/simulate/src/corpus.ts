import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, root } from './catalogue.ts'

/** A seed that once failed. */
export interface KeptSeed {
  readonly workload: string
  readonly seed: number
  /** What it found, in a line. */
  readonly found: string
}

function fileOf(folder: string): string {
  return join(root, 'packages', folder, 'test/seeds.json')
}

/** The seeds of one package that once failed: `packages/FOLDER/test/seeds.json`. */
export function keptSeeds(folder: string): readonly KeptSeed[] {
  const file = fileOf(folder)
  if (!existsSync(file)) return []
  return JSON.parse(readFileSync(file, 'utf8')) as KeptSeed[] // written by `keep`
}

/** Adds a failed seed, to be replayed by the test command from now on. */
export function keep(kept: KeptSeed): void {
  const folder = folderOf(kept.workload)
  const all = keptSeeds(folder)
  if (all.some(({ workload, seed }) => workload === kept.workload && seed === kept.seed)) return
  writeFileSync(fileOf(folder), `${JSON.stringify([...all, kept], undefined, 2)}\n`)
}
