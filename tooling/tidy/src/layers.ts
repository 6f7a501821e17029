import type { Problem, SourceFile } from './source-files.ts'

/** The rows of docs/architecture.md, lowest first. A package imports only from rows below its own. */
const ROWS: readonly (readonly string[])[] = [
  ['interface'],
  ['system'],
  ['codec', 'storage', 'resilience'],
  ['placement', 'crdt', 'agent-register'],
  ['identity', 'crdt-text'],
  ['rpc'],
  ['discovery'],
  ['membership'],
  ['consensus'],
  ['registry', 'state', 'signals', 'partition'],
  ['agent'],
  ['cluster'],
  ['cli', 'dashboard', 'mcp', 'migrate', 'simulated-cluster']
]

/** Serves the tests of every row, so it stands beside the rows and uses only the lowest two. */
const TESTKIT_MAY_IMPORT = new Set(['interface', 'codec', 'storage'])
/** Libraries for the tests of others. */
const MAY_IMPORT_TESTKIT = new Set(['simulated-cluster'])

const rowOf = (name: string): number => ROWS.findIndex((row) => row.includes(name))

/** Imports that go up or sideways, of packages that are no library, or deep into a package. */
export function checkLayers(files: readonly SourceFile[]): Problem[] {
  const problems: Problem[] = []
  for (const { path, text } of files) {
    const own = /^packages\/([^/]+)\/src\//.exec(path)?.[1]
    if (own === undefined) continue
    if (rowOf(own) < 0 && own !== 'testkit') {
      problems.push({ path, message: `package ${own} stands in no row of layers.ts` })
    }
    for (const [, specifier = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      const message = judge(own, specifier)
      if (message !== undefined) problems.push({ path, message })
    }
  }
  return problems
}

function judge(own: string, specifier: string): string | undefined {
  if (specifier.startsWith('@chainsafe/libp2p-')) return `${specifier} was renamed to @libp2p/*`
  if (specifier.startsWith('../../')) {
    return specifier.includes('packages/') || /^(\.\.\/){3,}/.test(specifier)
      ? `${specifier} reaches out of the package`
      : undefined
  }
  const match = /^@murmuration\/([^/]+)(\/.+)?$/.exec(specifier)
  if (match === null) return undefined
  const [, other = '', deep] = match
  if (deep !== undefined) return `${specifier} is a deep import`
  if (own === 'testkit') {
    return TESTKIT_MAY_IMPORT.has(other) ? undefined : `testkit must not import ${other}`
  }
  if (other === 'testkit' && MAY_IMPORT_TESTKIT.has(own)) return undefined
  return rowOf(other) < rowOf(own) && rowOf(other) >= 0
    ? undefined
    : `${own} must not import ${other}: it is not in a row below`
}
