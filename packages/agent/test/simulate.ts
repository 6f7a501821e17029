import type { Mutant, Simulation, Workload } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { runSchedules } from './schedule-run.ts'

export const workloads: readonly Workload[] = [
  { name: 'agent/schedules', share: 1, run: scheduled({}) }
]

export const mutants: readonly Mutant[] = [
  {
    name: 'agent/tick-without-key',
    rule: 'a tick that two owners serve counts once',
    killingSeed: 2,
    budget: 200,
    run: scheduled({ tickWithoutKey: true })
  },
  {
    name: 'agent/missed-not-examined',
    rule: 'a new owner serves what nobody served',
    killingSeed: 2,
    budget: 200,
    run: scheduled({ missedNotExamined: true })
  },
  {
    name: 'agent/beginning-not-kept',
    rule: 'a new agent has missed nothing',
    killingSeed: 1,
    budget: 200,
    run: scheduled({ beginningNotKept: true })
  }
]

function scheduled(broken: Mutants): (simulation: Simulation) => Promise<void> {
  return (simulation) => runSchedules(simulation, broken)
}
