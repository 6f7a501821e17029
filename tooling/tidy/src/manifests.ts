import type { Problem, SourceFile } from './source-files.ts'

interface Manifest {
  readonly name?: string
  readonly description?: string
  readonly license?: string
  readonly type?: string
  readonly private?: boolean
  readonly sideEffects?: boolean
  readonly engines?: { readonly node?: string }
  readonly exports?: Readonly<Record<string, unknown>>
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> }
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Package files that differ from how all packages here look, and packages without a README. */
export function checkManifests(files: readonly SourceFile[]): Problem[] {
  const readmes = new Map(
    files.filter(({ path }) => path.endsWith('README.md')).map((file) => [file.path, file.text])
  )
  return files
    .filter(({ path }) => /^packages\/[^/]+\/package\.json$/.test(path))
    .flatMap(({ path, text }) => {
      const folder = path.split('/')[1] ?? ''
      const manifest = JSON.parse(text) as Manifest // an odd shape shows as a problem below
      const readme = readmes.get(`packages/${folder}/README.md`) ?? ''
      return [...faults(folder, manifest, readme)].map((message) => ({ path, message }))
    })
}

function* faults(folder: string, manifest: Manifest, readme: string): Iterable<string> {
  if (manifest.name !== `@murmuration/${folder}`) yield `name is not @murmuration/${folder}`
  if (manifest.license !== 'Apache-2.0 OR MIT') yield 'licence is not Apache-2.0 OR MIT'
  if (manifest.type !== 'module') yield 'it is not ESM'
  if (manifest.sideEffects !== false) yield 'sideEffects is not false'
  if (manifest.engines?.node !== '>=22') yield 'engines.node is not >=22'
  const description = manifest.description ?? ''
  if (!description.endsWith('and nothing else.'))
    yield 'the description does not end "and nothing else."'
  if (readme === '') yield 'there is no README.md'
  else if (!readme.includes(description)) yield 'README.md does not say the description'
  if (!/^```ts\n/m.test(readme)) yield 'README.md has no example'
  const own = Object.keys(manifest.exports ?? {})
    .toSorted()
    .join()
  const published = Object.keys(manifest.publishConfig?.exports ?? {})
    .toSorted()
    .join()
  if (own !== published) yield 'exports and publishConfig.exports differ'
  for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
    const wanted = name.startsWith('@murmuration/') ? 'workspace:^' : 'catalog:'
    if (range !== wanted) yield `${name} is ${range}, not ${wanted}`
  }
}
