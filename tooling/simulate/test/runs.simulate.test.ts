import { expect, test } from 'vitest'
import { simulate } from './command.ts'

test('10,000 runs of all workloads find no violation', async () => {
  const began = performance.now()
  const { code, output, lastLine } = await simulate(['--runs', '10000', '--seed', '1'])
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s`)
  expect(output).not.toContain('VIOLATION')
  expect(lastLine).toBe('runs: 10000, violations: 0')
  expect(code).toBe(0)
})

test('kept seeds pass, and every mutant is found under its killing seed', async () => {
  const { code, output } = await simulate(['--corpus'])
  expect(output).not.toMatch(/VIOLATION|SURVIVES/)
  const [, mutants, killed] = /mutants: (\d+), killed: (\d+)/.exec(output) ?? []
  expect(mutants).toBeDefined()
  expect(killed).toBe(mutants)
  expect(code).toBe(0)
})
