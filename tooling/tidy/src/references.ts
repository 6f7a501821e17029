import type { Problem, SourceFile } from './source-files.ts'

interface Configuration {
  readonly references?: readonly { readonly path: string }[]
}

/** Every package is built, and its tsconfig.json refers to the packages it imports and to no others. */
export function checkReferences(files: readonly SourceFile[]): Problem[] {
  const folders = files.flatMap(
    ({ path }) => /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1] ?? []
  )
  const built = referred(files, 'tooling/tsconfig/packages.json')
  return [
    ...differences('tooling/tsconfig/packages.json', new Set(folders), built),
    ...folders.flatMap((folder) => {
      const path = `packages/${folder}/tsconfig.json`
      return [...differences(path, imported(files, folder), referred(files, path))]
    })
  ]
}

/** Folders of the packages that the sources of a package import. */
function imported(files: readonly SourceFile[], folder: string): Set<string> {
  const names = files
    .filter(({ path }) => path.startsWith(`packages/${folder}/src/`) && path.endsWith('.ts'))
    .flatMap(({ text }) => [
      ...text.matchAll(/^(?:import|export|\}).* from '@murmuration\/([^/']+)'/gm)
    ])
    .map(([, name = '']) => name)
  return new Set(names)
}

function referred(files: readonly SourceFile[], path: string): Set<string> {
  const text = files.find((file) => file.path === path)?.text ?? '{}'
  const { references = [] } = JSON.parse(text) as Configuration // tsc refuses an odd shape
  return new Set(references.map((reference) => reference.path.split('/').at(-1) ?? ''))
}

function* differences(
  path: string,
  wanted: ReadonlySet<string>,
  found: ReadonlySet<string>
): Iterable<Problem> {
  for (const name of wanted) {
    if (!found.has(name)) yield { path, message: `there is no reference to ${name}` }
  }
  for (const name of found) {
    if (!wanted.has(name)) yield { path, message: `the reference to ${name} is not needed` }
  }
}
