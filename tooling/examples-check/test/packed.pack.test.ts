import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../src/run.ts'
import { importsOf, showsResult, snippetsOf } from '../src/snippets.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const packages = globSync('packages/*/package.json', { cwd: root })
  .map((path) => basename(dirname(path)))
  .toSorted()

const INSTALL_MAX_MS = 120_000
/** What a small device has for all of it, Node included. */
const EDGE_MB_MAX = 120

/**
 * Builds and packs every package, then installs each alone into an empty project, as a user would, and
 * runs its example there on the compiled code.
 */
describe('packed packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'murmuration-packed-'))
  const tarballs = new Map(
    packages.map((name) => [
      `@murmuration/${name}`,
      join(folder, `murmuration-${name}-${versionOf(name)}.tgz`)
    ])
  )

  beforeAll(async () => {
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    await succeed(process.execPath, ['tooling/scripts/clean.ts'], root)
    await succeed(tsc, ['-b', 'tooling/tsconfig/packages.json'], root)
    await succeed(
      'pnpm',
      ['-r', '--filter', './packages/*', 'pack', '--pack-destination', folder],
      root
    )
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  // First, because it takes longest: most of that is waiting, for which the others need not wait.
  it.concurrent(`an edge device takes less than ${EDGE_MB_MAX} MB in all`, async () => {
    const project = join(folder, 'edge-device')
    mkdirSync(join(project, 'src'), { recursive: true })
    const source = join(root, 'examples', 'edge-device', 'src')
    const files = globSync('*.ts', { cwd: source })
    const codes = files.map((file) => readFileSync(join(source, file), 'utf8'))
    // Compiled before it is brought to a device: stripping types at the start takes 20 MB.
    for (const [at, file] of files.entries()) {
      const code = stripTypeScriptTypes(codes[at] ?? '').replaceAll(/([a-z-]+)\.ts'/g, "$1.js'")
      writeFileSync(join(project, 'src', file.replace('.ts', '.js')), code)
    }
    const manifest = manifestOf('cluster', codes.join('\n'), tarballs)
    writeFileSync(join(project, 'package.json'), JSON.stringify(manifest))
    writeFileSync(join(project, 'pnpm-workspace.yaml'), workspaceOf(tarballs))
    await succeed('pnpm', ['install', '--prefer-offline', '--no-frozen-lockfile'], project)
    const { code, output } = await run(process.execPath, ['src/main.js', '2'], project)
    expect(code, output).toBe(0)
    const measured = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, number>
    console.log(measured)
    expect(measured).toMatchObject({ acknowledged: 2, readings: 2, copies: 2 })
    expect(measured['rssMb']).toBeLessThan(EDGE_MB_MAX)
  })

  for (const name of packages) {
    it.concurrent(`@murmuration/${name} installs alone and its example runs`, async () => {
      const project = join(folder, name)
      const readme = join(root, 'packages', name, 'README.md')
      const [example] = snippetsOf(readme)
      if (example === undefined) throw new Error(`${readme} has no example`)
      mkdirSync(project)
      const manifest = manifestOf(name, example.code, tarballs)
      writeFileSync(join(project, 'package.json'), JSON.stringify(manifest))
      writeFileSync(join(project, 'pnpm-workspace.yaml'), workspaceOf(tarballs))
      writeFileSync(join(project, 'example.ts'), example.code)
      await succeed('pnpm', ['install', '--prefer-offline', '--no-frozen-lockfile'], project)
      const { code, output } = await run(process.execPath, ['example.ts'], project)
      expect(code, output).toBe(0)
      expect(showsResult(example, output), 'it neither prints nor asserts anything').toBe(true)
    })
  }
})

async function succeed(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, output } = await run(command, args, cwd, INSTALL_MAX_MS)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)
}

function versionOf(name: string): string {
  const text = readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version // tidy and publint check its shape
}

/** The package itself, and what its example imports beside it: nothing else. */
function manifestOf(name: string, code: string, tarballs: ReadonlyMap<string, string>): object {
  const dependencies: Record<string, string> = {}
  for (const each of new Set([`@murmuration/${name}`, ...importsOf(code)])) {
    const tarball = tarballs.get(each)
    dependencies[each] = tarball === undefined ? catalog(each) : `file:${tarball}`
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
function workspaceOf(tarballs: ReadonlyMap<string, string>): string {
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
