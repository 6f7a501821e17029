import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Mutant, Workload } from '@murmuration/testkit'
import { UsageError } from './options.ts'

/** The repository; the tests of this command have one of their own. */
export const root =
  process.env['SIMULATE_ROOT'] ?? fileURLToPath(new URL('../../..', import.meta.url))

/** What one package gives to simulate. */
export interface Simulated {
  /** The folder under `packages`. */
  readonly folder: string
  readonly workloads: readonly Workload[]
  readonly mutants: readonly Mutant[]
}

/** Loads `packages/FOLDER/test/simulate.ts`. */
export async function loadFolder(folder: string): Promise<Simulated> {
  const file = join(root, 'packages', folder, 'test/simulate.ts')
  const module: unknown = await import(pathToFileURL(file).href)
  const { workloads, mutants } = module as Partial<Simulated> // checked below
  if (!Array.isArray(workloads) || !Array.isArray(mutants)) {
    throw new Error(`${file} must export "workloads" and "mutants"`)
  }
  for (const { name } of [...workloads, ...mutants]) {
    if (!name.startsWith(`${folder}/`)) {
      throw new Error(`${file}: the name "${name}" must begin with "${folder}/"`)
    }
  }
  return { folder, workloads, mutants }
}

/** All packages with something to simulate, or what `only` names. */
export async function loadAll(only: string | undefined): Promise<Simulated[]> {
  const [wanted] = only?.split('/') ?? []
  const folders = readdirSync(join(root, 'packages'))
    .filter((folder) => existsSync(join(root, 'packages', folder, 'test/simulate.ts')))
    .filter((folder) => wanted === undefined || folder === wanted)
    .toSorted()
  const all = await Promise.all(folders.map(loadFolder))
  const chosen = all.map(({ folder, workloads, mutants }) => ({
    folder,
    workloads: workloads.filter((one) => matches(one.name, only)),
    mutants: mutants.filter((one) => matches(one.name, only))
  }))
  if (chosen.every(({ workloads, mutants }) => workloads.length + mutants.length === 0)) {
    throw new UsageError(`There is nothing to simulate by the name "${only ?? ''}".`)
  }
  return chosen
}

function matches(name: string, only: string | undefined): boolean {
  return only === undefined || name === only || name.startsWith(`${only}/`)
}

export function folderOf(name: string): string {
  return name.split('/')[0] ?? ''
}
