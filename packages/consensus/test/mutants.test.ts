import { findFailingSeed } from '@murmuration/testkit'
import { describe, expect, test } from 'vitest'
import { scenarios } from './scenarios.ts'
import { mutants } from './simulate.ts'

describe('a mutant is found where the rule does not hold that', () => {
  test.for(mutants.map((one) => [one.rule, one] as const))('%s', async ([, one]) => {
    const failure = await findFailingSeed({
      ...one.simulation,
      first: one.killingSeed,
      count: 1,
      run: one.run
    })
    expect(failure, `${one.name} survives its killing seed`).toBeDefined()
  })
})

describe('without a mutant nothing is lost when', () => {
  test.for(Object.entries(scenarios))('%s', ([, scenario]) => {
    expect(scenario({}, { log: () => {} })).toBeUndefined()
  })
})
