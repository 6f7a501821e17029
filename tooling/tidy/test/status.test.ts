import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const page = readFileSync(join(root, 'docs/status.md'), 'utf8')

interface Row {
  readonly line: number
  readonly cells: Readonly<Record<string, string>>
}

/** The rows of all tables, each cell under the name of its column. */
function rowsOf(text: string): Row[] {
  const rows: Row[] = []
  let columns: readonly string[] | undefined
  for (const [at, line] of text.split('\n').entries()) {
    if (!line.startsWith('|')) {
      columns = undefined
      continue
    }
    const cells = line.split('|').slice(1, -1)
    const texts = cells.map((cell) => cell.trim())
    if (columns === undefined) columns = texts
    else if (!texts.every((cell) => /^-+$/.test(cell))) {
      const named = columns.map((name, index) => [name, texts[index] ?? ''] as const)
      // A row with more or fewer cells than its table shows the surplus under a name of its own.
      const fits = texts.length === columns.length ? [] : [['misfit', line] as const]
      rows.push({ line: at + 1, cells: Object.fromEntries([...named, ...fits]) })
    }
  }
  return rows
}

const rows = rowsOf(page)
const isPath = (text: string): boolean => /^(packages|examples|tooling|docs)\/\S+$/.test(text)
/** Paths in backticks, those within commands too. */
const filesIn = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].flatMap(([, quoted = '']) => quoted.split(' ')).filter(isPath)

/** What stands in a page that is not so. */
function faultsOf(all: readonly Row[], text: string): string[] {
  const faults: string[] = []
  for (const path of filesIn(text)) {
    if (!existsSync(join(root, path))) faults.push(`${path} does not exist`)
  }
  for (const { line, cells } of all) {
    const { maturity, proof = '', state } = cells
    const say = (what: string): void => void faults.push(`line ${line}: ${what}`)
    if (cells['misfit'] !== undefined) say('cells do not fit the columns')
    if (maturity !== undefined) {
      if (!['planned', 'works', 'proven under faults'].includes(maturity)) say(`is "${maturity}"`)
      const hasProof = filesIn(proof).length > 0
      if (maturity !== 'planned' && !hasProof) say('names no test')
      if (maturity === 'planned' && hasProof) say('is planned and names a test')
    }
    if (state !== undefined && !['followed', 'partly', 'not yet'].includes(state)) {
      say(`is "${state}"`)
    }
    for (const cell of Object.values(cells)) {
      for (const [path, name] of namedTests(cell)) {
        if (!sourceOf(path).includes(name)) say(`${path} has no test "${name}"`)
      }
    }
  }
  return faults
}

/** Pairs of a file and a name of a test: each name belongs to the path before it. */
function namedTests(cell: string): (readonly [path: string, name: string])[] {
  const pairs: (readonly [string, string])[] = []
  let path: string | undefined
  for (const [, quoted, name] of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (quoted !== undefined) path = isPath(quoted) ? quoted : path
    else if (path !== undefined && name !== undefined) pairs.push([path, name])
  }
  return pairs
}

function sourceOf(path: string): string {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : ''
}

describe('docs/status.md', () => {
  it('names only files and tests that exist, and only the known words', () => {
    expect(faultsOf(rows, page)).toEqual([])
    expect(rows.length).toBeGreaterThan(100)
  })

  it('would be caught', () => {
    const absent = ['not', 'there'].join(' ')
    const lies = [
      '| feature | maturity | proof |',
      '| --- | --- | --- |',
      '| a | ready | `packages/no/test/no.test.ts` |',
      '| b | works | it does |',
      '| c | planned | `tooling/tidy/test/status.test.ts` "would be caught" |',
      `| d | works | \`tooling/tidy/test/status.test.ts\` "${absent}" |`,
      '| e | works |'
    ].join('\n')
    expect(faultsOf(rowsOf(lies), lies)).toHaveLength(7)
  })
})
