import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { simulate } from './command.ts'
import type { Outcome, SimulateOptions } from './command.ts'

const demo = fileURLToPath(new URL('packages', import.meta.url))
let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'simulate-'))
  cpSync(demo, join(root, 'packages'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const run = (args: string, options: SimulateOptions = {}): Promise<Outcome> => {
  return simulate(args.split(' '), { root, ...options })
}
const states = (): string[] => {
  try {
    return readdirSync(join(root, '.simulate'))
  } catch {
    return []
  }
}

describe('pnpm simulate', () => {
  test('ends with the numbers of runs and violations, and leaves nothing behind', async () => {
    const { code, lastLine } = await run('--only demo/slow --runs 41 --seed 1')
    expect(lastLine).toBe('runs: 41, violations: 0')
    expect(code).toBe(0)
    expect(states()).toEqual([])
  })

  test('shows a violation with its seed and trace, keeps the seed, and exits with 1', async () => {
    const { code, output, lastLine } = await run('--only demo/fails-at-times --runs 20 --seed 100')
    expect(output).toContain('VIOLATION demo/fails-at-times seed 107: an invariant does not hold')
    expect(output).toContain('a line of seed 107')
    expect(output).toContain('pnpm simulate --only demo/fails-at-times --seed 107 --runs 1 --trace')
    expect(lastLine).toBe('runs: 20, violations: 1')
    expect(code).toBe(1)
    const seeds: unknown = JSON.parse(
      readFileSync(join(root, 'packages/demo/test/seeds.json'), 'utf8')
    )
    expect(seeds).toEqual([
      { workload: 'demo/fails-at-times', seed: 107, found: 'an invariant does not hold' }
    ])
    const replayed = await run('--corpus --only demo')
    expect(replayed.output).toContain('seeds: 1, violations: 1')
    expect(replayed.code).toBe(1)
  })

  test('replays one seed with all that happened', async () => {
    const again = '--only demo/fails-at-times --seed 107 --runs 1 --trace'
    const { code, output, lastLine } = await run(again)
    expect(output).toMatch(/0\.00 a line of seed 107\nVIOLATION .* an invariant does not hold/)
    expect(lastLine).toBe('runs: 1, violations: 1')
    expect(code).toBe(1)
  })

  test('counts a rejection that nobody hears as a violation', async () => {
    const { output, code } = await run('--only demo/strays --runs 5 --seed 1')
    expect(output).toContain('VIOLATION demo/strays seed 3: nobody hears it')
    expect(code).toBe(1)
  })

  test('stops cleanly at an interrupt, and goes on where it was', async () => {
    const args = '--only demo/slow --runs 1000 --seed 9 --workers 2'
    const interrupted = await run(args, {
      during: (child) => {
        const watch = setInterval(() => {
          if (states().length > 0) {
            clearInterval(watch)
            child.kill('SIGINT')
          }
        }, 20)
      }
    })
    expect(interrupted.code).toBe(130)
    expect(interrupted.output).toContain('stopped: the same command goes on from .simulate')
    const [, first = ''] = /runs: (\d+), violations: 0$/.exec(interrupted.lastLine) ?? []
    expect(Number(first)).toBeGreaterThan(0)
    expect(Number(first)).toBeLessThan(1000)
    expect(states()).toHaveLength(1)
    const rest = await run(args)
    expect(rest.output).toMatch(/^goes on after \d+ of 1000 runs from seed 9/)
    expect(rest.lastLine).toBe('runs: 1000, violations: 0')
    expect(rest.code).toBe(0)
    expect(states()).toEqual([])
  })

  test('finds mutants with fresh seeds, and fails where one survives its budget', async () => {
    const { code, output, lastLine } = await run('--mutants --seed 1')
    expect(output).toMatch(/killed {3}demo\/found by seed 7/)
    expect(output).toContain('SURVIVES demo/never-found (nothing finds this one)')
    expect(lastLine).toBe('mutants: 2, killed: 1')
    expect(code).toBe(1)
    const one = await run('--mutants --only demo/found')
    expect(one.lastLine).toBe('mutants: 1, killed: 1')
    expect(one.code).toBe(0)
  })

  test('fits runs into a time, or says that it cannot', async () => {
    const fitted = await run('--only demo --runs 600 --seed 200 --within 1')
    expect(fitted.output).toMatch(/\d+ × [\d.]+ ms {2}demo\/slow/)
    expect(fitted.lastLine).toBe('runs: 600, violations: 0')
    const never = await run('--only demo/slow --runs 10000000 --within 1')
    expect(never.lastLine).toMatch(/^10000000 runs take \d+ minutes at least on \d+ workers\.$/)
    expect(never.code).toBe(2)
  })

  test('refuses what it does not understand with one sentence and exit code 2', async () => {
    for (const [args, sentence] of [
      ['--bogus', "Unknown option '--bogus'."],
      ['--only nothing', 'There is nothing to simulate by the name "nothing".'],
      ['--only demo --trace --seed 1 --runs 1', '--trace shows one workload or mutant']
    ] as const) {
      const { code, output } = await run(args)
      expect(output.trim().split('\n')).toHaveLength(1)
      expect(output).toContain(sentence)
      expect(code).toBe(2)
    }
  })
})
