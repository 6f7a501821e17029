import { createSimulation, runSeeds } from '@murmuration/testkit'
import { describe, expect, it } from 'vitest'
import { mutants, workloads } from './simulate.ts'

describe('five replicas with splits, crashes, lost disks and collections', () => {
  it('end with the same bytes, without a resurrected removal', async () => {
    for (const { run } of workloads) await runSeeds({ count: 60, run })
  })

  for (const { rule, killingSeed, run } of mutants) {
    it(`would be noticed to break the rule that ${rule}`, async () => {
      await expect(run(createSimulation({ seed: killingSeed }))).rejects.toThrow()
      // The same run with the rule in force.
      for (const workload of workloads) await workload.run(createSimulation({ seed: killingSeed }))
    })
  }
})
