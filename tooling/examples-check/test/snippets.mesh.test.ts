import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../src/run.ts'
import { showsResult, snippetsOf } from '../src/snippets.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
/** Inside this package, so that the examples find every package of the workspace. */
const folder = fileURLToPath(new URL('../.examples', import.meta.url))
const pages = globSync(
  ['README.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'],
  { cwd: root }
).toSorted()

describe('examples in the documentation', () => {
  beforeAll(() => mkdirSync(folder, { recursive: true }))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  for (const page of pages) {
    for (const snippet of snippetsOf(join(root, page))) {
      it(`${page}:${snippet.line} runs`, async () => {
        const file = join(folder, `${page.replaceAll(/[^a-z0-9]+/gi, '-')}-${snippet.line}.ts`)
        writeFileSync(file, snippet.code)
        const { code, output } = await run(process.execPath, [file], folder)
        expect(code, output).toBe(0)
        expect(showsResult(snippet, output), 'it neither prints nor asserts anything').toBe(true)
      })
    }
  }
})
