import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { mutants, workloads } from './simulate.ts'

test.each(mutants)('$rule, and a mutant that does otherwise is found', async (mutant) => {
  const { killingSeed: seed, simulation } = mutant
  await expect(mutant.run(createSimulation({ seed, ...simulation }))).rejects.toThrow()
})

test.each(workloads)('$name holds without mutants', async ({ run, simulation }) => {
  for (let seed = 1; seed <= 3; seed += 1) {
    await run(createSimulation({ seed, ...simulation }))
  }
})
