import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Problem } from './source-files.ts'

interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly license?: string | { readonly type?: string }
  readonly licenses?: readonly { readonly type?: string }[]
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** Licences that ask no more than to be named. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
  'Zlib'
])

/** Whether an SPDX expression leaves a choice of allowed licences only. */
export function isAllowed(expression: string): boolean {
  const inner = /\(([^()]*)\)/.exec(expression)
  if (inner !== null) {
    const value = isAllowed(inner[1] ?? '') ? 'MIT' : 'refused'
    return isAllowed(expression.replace(inner[0], value))
  }
  return expression
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((name) => ALLOWED.has(name.trim())))
}

/** Installed packages that users of our packages get, directly or not, under a licence off the list. */
export function checkLicences(root: string): { problems: Problem[]; count: number } {
  const problems: Problem[] = []
  const seen = new Set<string>()
  const waiting = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name))
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (seen.has(folder) || !existsSync(join(folder, 'package.json'))) continue
    seen.add(folder)
    const text = readFileSync(join(folder, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as Manifest // every field is optional and read with care
    const licence = licenceOf(manifest)
    if (!isAllowed(licence)) {
      problems.push({ path: `${manifest.name}@${manifest.version}`, message: `licence ${licence}` })
    }
    const names = {
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.peerDependencies
    }
    for (const name of Object.keys(names)) {
      const found = installed(folder, name)
      // An optional dependency for another system, or an optional peer, is not there.
      if (found !== undefined) waiting.push(found)
      else if (manifest.dependencies?.[name] !== undefined) {
        problems.push({
          path: `${manifest.name}@${manifest.version}`,
          message: `${name} is not installed`
        })
      }
    }
  }
  return { problems, count: seen.size }
}

function licenceOf({ license, licenses }: Manifest): string {
  if (typeof license === 'string') return license
  return license?.type ?? licenses?.map(({ type }) => type ?? 'none').join(' OR ') ?? 'none'
}

/** The folder that Node would find the package in, from a package in this folder. */
function installed(from: string, name: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name)
    if (existsSync(path)) return realpathSync(path)
  }
  return undefined
}
