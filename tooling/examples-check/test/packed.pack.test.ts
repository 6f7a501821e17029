import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../src/run.ts'
import { snippetsOf } from '../src/snippets.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const packages = globSync('packages/*/package.json', { cwd: root })
  .map((path) => basename(join(path, '..')))
  .toSorted()

const INSTALL_MAX_MS = 120_000

/** Packs every package, then installs each alone into an empty project and runs its example there. */
describe('packed packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'murmuration-packed-'))
  const tarballs = new Map<string, string>()

  beforeAll(async () => {
    const built = await run('pnpm', ['run', 'build'], root, INSTALL_MAX_MS)
    expect(built.code, built.output).toBe(0)
    for (const name of packages) {
      const packed = await run(
        'pnpm',
        ['pack', '--pack-destination', folder],
        join(root, 'packages', name)
      )
      expect(packed.code, packed.output).toBe(0)
      tarballs.set(`@murmuration/${name}`, join(folder, `murmuration-${name}-0.1.0.tgz`))
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  for (const name of packages) {
    it(`@murmuration/${name} installs alone and its example runs`, async () => {
      const project = join(folder, name)
      mkdirSync(project)
      const readme = join(root, 'packages', name, 'README.md')
      const [example] = snippetsOf(readme)
      expect(example, `${readme} has no example`).toBeDefined()
      const code = example?.code ?? ''
      writeFileSync(join(project, 'package.json'), JSON.stringify(manifest(name, code, tarballs)))
      writeFileSync(join(project, 'pnpm-workspace.yaml'), workspace(tarballs))
      writeFileSync(join(project, 'example.ts'), code)
      const args = [
        'install',
        '--prefer-offline',
        '--ignore-workspace-root-check',
        '--no-frozen-lockfile'
      ]
      const installed = await run('pnpm', args, project, INSTALL_MAX_MS)
      expect(installed.code, installed.output).toBe(0)
      const { code: status, output } = await run(process.execPath, ['example.ts'], project)
      expect(status, output).toBe(0)
      expect(output.trim()).not.toBe('')
    })
  }
})

/** The package itself, and what its example imports beside it: nothing else. */
function manifest(name: string, code: string, tarballs: ReadonlyMap<string, string>): object {
  const own = `@murmuration/${name}`
  const dependencies: Record<string, string> = { [own]: `file:${tarballs.get(own)}` }
  for (const [, specifier = ''] of code.matchAll(/from '((?:@[^/']+\/)?[^/']+)'/g)) {
    if (specifier.startsWith('node:') || specifier === own) continue
    const tarball = tarballs.get(specifier)
    dependencies[specifier] = tarball === undefined ? catalog(specifier) : `file:${tarball}`
  }
  return { name: 'project', private: true, type: 'module', dependencies }
}

/** The version of the workspace's catalog, as a user would choose it. */
function catalog(name: string): string {
  const text = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')
  const line = text
    .split('\n')
    .find((each) => each.trim().replaceAll("'", '').startsWith(`${name}: `))
  if (line === undefined) throw new Error(`${name} is in no catalog: an example may not need it`)
  return line.split(': ')[1] ?? ''
}

/** The packages are not in a registry yet, so their references to each other lead to the tarballs. */
function workspace(tarballs: ReadonlyMap<string, string>): string {
  const overrides = [...tarballs].map(([name, path]) => `  '${name}': 'file:${path}'`)
  return [
    'packages: ["."]',
    'allowBuilds: { classic-level: true }',
    'pmOnFail: ignore',
    'overrides:',
    ...overrides,
    ''
  ].join('\n')
}
