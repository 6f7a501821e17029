import { describe, expect, it } from 'vitest'
import { checkCores } from '../src/cores.ts'
import { checkLayers } from '../src/layers.ts'
import { isAllowed } from '../src/licences.ts'
import { checkManifests } from '../src/manifests.ts'
import { checkReferences } from '../src/references.ts'
import { checkTexts } from '../src/text-rules.ts'

const messages = (problems: readonly { readonly message: string }[]): string[] =>
  problems.map(({ message }) => message)
const file = (path: string, text: string): { path: string; text: string } => ({ path, text })

describe('layers', () => {
  it('refuses imports upwards, sideways, deep and of renamed packages', () => {
    const found = checkLayers([
      file('packages/rpc/src/a.ts', "import { x } from '@murmuration/state'"),
      file('packages/state/src/a.ts', "import type { x } from '@murmuration/signals'"),
      file('packages/state/src/b.ts', "import { x } from '@murmuration/crdt/src/index.ts'"),
      file('packages/signals/src/a.ts', "import { gossipsub } from '@chainsafe/libp2p-gossipsub'")
    ])
    expect(found).toHaveLength(4)
  })

  it('accepts imports downwards', () => {
    expect(
      checkLayers([file('packages/state/src/a.ts', "import { x } from '@murmuration/crdt'")])
    ).toEqual([])
  })
})

describe('cores', () => {
  it('refuses clocks, randomness, timers and node: in a core, and only there', () => {
    const text = "import fs from 'node:fs'\nconst a = Date.now() + Math.random()\nsetTimeout(f, 1)"
    expect(messages(checkCores([file('packages/x/src/core/a.ts', text)]))).toHaveLength(4)
    expect(checkCores([file('packages/x/src/a.ts', text)])).toEqual([])
  })

  it('does not mind words in comments', () => {
    expect(checkCores([file('packages/x/src/core/a.ts', '// never Date.now() here')])).toEqual([])
  })
})

describe('manifests', () => {
  it('refuses a package without README, licence and sentence', () => {
    const found = messages(
      checkManifests([file('packages/x/package.json', '{"name":"@murmuration/x"}')])
    )
    expect(found).toContain('there is no README.md')
    expect(found).toContain('licence is not Apache-2.0 OR MIT')
  })
})

describe('references', () => {
  const build = file(
    'tooling/tsconfig/packages.json',
    '{"references":[{"path":"../../packages/a"}]}'
  )
  const manifest = file('packages/a/package.json', '{}')
  const source = file(
    'packages/a/src/a.ts',
    "import { x } from '@murmuration/b'\nimport {\n  y\n} from '@murmuration/c'"
  )

  it('refuses what is missing and what is not needed', () => {
    const configuration = file(
      'packages/a/tsconfig.json',
      '{"references":[{"path":"../b"},{"path":"../d"}]}'
    )
    expect(messages(checkReferences([build, manifest, source, configuration]))).toEqual([
      'there is no reference to c',
      'the reference to d is not needed'
    ])
  })

  it('refuses a package that is not built', () => {
    const other = file('packages/z/package.json', '{}')
    expect(messages(checkReferences([build, manifest, other]))).toEqual([
      'there is no reference to z'
    ])
  })
})

describe('licences', () => {
  it('reads choices and combinations', () => {
    expect(isAllowed('MIT')).toBe(true)
    expect(isAllowed('(GPL-3.0 OR Apache-2.0)')).toBe(true)
    expect(isAllowed('(MIT AND (BSD-2-Clause OR GPL-2.0))')).toBe(true)
    expect(isAllowed('MIT AND GPL-2.0')).toBe(false)
    expect(isAllowed('UNLICENSED')).toBe(false)
  })
})

describe('texts', () => {
  it('refuses skipped tests and paths of one machine', () => {
    const found = messages(
      checkTexts([
        file('packages/x/test/a.test.ts', 'it.skip("x")'),
        file('docs/a.md', 'see /home/me/x')
      ])
    )
    expect(found).toEqual(['a test is skipped, focused or empty', 'a path of one machine'])
  })
})
