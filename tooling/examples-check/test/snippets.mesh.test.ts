import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../src/run.ts'
import { snippetsOf } from '../src/snippets.ts'

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
    for (const { line, code } of snippetsOf(join(root, page))) {
      it(`${page}:${line} runs`, async () => {
        const file = join(
          folder,
          `${relative('.', page).replaceAll(/[^a-z0-9]+/gi, '-')}-${line}.ts`
        )
        writeFileSync(file, code)
        const { code: status, output } = await run(process.execPath, [file], folder)
        expect(status, output).toBe(0)
        expect(output.trim()).not.toBe('')
      })
    }
  }
})
