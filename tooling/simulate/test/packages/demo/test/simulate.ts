/** Workloads and mutants on which the tests of the command try it: copied to a place of their own. */
import type { Mutant, Simulation, Workload } from '@murmuration/testkit'

const failingSeed = 107

async function slow(simulation: Simulation): Promise<void> {
  simulation.log('something happens')
  await new Promise((resolve) => setTimeout(resolve, 5))
}

async function failsAtTimes(simulation: Simulation): Promise<void> {
  simulation.log(`a line of seed ${simulation.seed}`)
  await simulation.run(10)
  if (simulation.seed === failingSeed) {
    throw new Error('an invariant does not hold')
  }
}

export const workloads: readonly Workload[] = [
  { name: 'demo/slow', share: 400, run: slow },
  { name: 'demo/fails-at-times', share: 100, run: failsAtTimes },
  {
    name: 'demo/strays',
    share: 1,
    run: async (simulation) => {
      if (simulation.seed === 3) {
        void Promise.reject(new Error('nobody hears it'))
      }
      await simulation.run(10)
    }
  }
]

export const mutants: readonly Mutant[] = [
  {
    name: 'demo/found',
    rule: 'seeds of 7 and above are wrong',
    killingSeed: 7,
    budget: 50,
    run: async ({ seed }) => {
      if (seed >= 7) {
        throw new Error('wrong')
      }
    }
  },
  {
    name: 'demo/never-found',
    rule: 'nothing finds this one',
    killingSeed: 1,
    budget: 20,
    run: async () => {}
  }
]
