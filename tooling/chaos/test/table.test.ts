import { expect, it } from 'vitest'
import type { ScenarioReport } from '../src/run.ts'
import { tableOf } from '../src/table.ts'

const report = (scenario: string, more: Partial<ScenarioReport> = {}): ScenarioReport => ({
  scenario,
  summary: '',
  network: 'namespaces',
  peers: 5,
  result: 'held',
  reasons: [],
  seconds: [],
  marks: [],
  operations: { ok: 10, failed: 1, unknown: 0 },
  errors: {},
  before: 99.6,
  heals: 0,
  ...more
})

it('is a row for each scenario, with what did not hold, and the availability of single failures', () => {
  const text = tableOf([
    report('kill', { servedAgainMs: 1_130, availability: 1 }),
    report('freeze', { availability: 0.99 }),
    report('split-one', { availability: 0, result: 'violated', reasons: ['1 lost', 'late'] })
  ])
  expect(text).toContain('| kill | 5, namespaces | held | 10, 1, 0 | 100 | 1.1 s | 100.00 % |')
  expect(text).toContain('| violated: 1 lost: late |')
  // The split is no single failure.
  expect(text).toContain('(mean of 2 runs): 99.50 %')
  expect(tableOf([report('bridge')])).toContain('No run of a single failure')
})
