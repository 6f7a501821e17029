import type { Simulation, SimulationInit } from './index.ts'

/**
 * One kind of simulated run. A package exports its own from `test/simulate.ts`, as
 * `workloads: readonly Workload[]`; `pnpm simulate` and the test command run them all.
 */
export interface Workload {
  /** `package/name`, such as `membership/faults`. */
  readonly name: string
  /** Runs of this workload in a thousand runs of all. */
  readonly share: number
  readonly simulation?: Omit<SimulationInit, 'seed' | 'trace'>
  /** One run; throws where an invariant does not hold. */
  readonly run: (simulation: Simulation) => Promise<void>
}

/**
 * A deliberate mistake that runs must find. Exported from `test/simulate.ts` as
 * `mutants: readonly Mutant[]`.
 */
export interface Mutant extends Omit<Workload, 'share'> {
  /** The rule that it breaks, as a sentence. */
  readonly rule: string
  /** A seed under which its run fails: replayed by the test command. */
  readonly killingSeed: number
  /** Fresh seeds within which `pnpm simulate --mutants` must find it. */
  readonly budget: number
}
