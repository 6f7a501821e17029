/**
 * What is agreed of one agent, in its one register: its owner, its epoch and its strong state, as
 * pure functions from one value to the next, and nothing else.
 *
 * @packageDocumentation
 */
export {
  AgentRegister,
  appliedUpdate,
  compareEpochs,
  decodeStrong,
  encodeStrong,
  registerKeyOf
} from './core/record.ts'
export { claimed, isHeld, released } from './core/ownership.ts'
export type { Claimant } from './core/ownership.ts'
export { updateStrong } from './core/strong-update.ts'
export type { StrongOutcome, StrongUpdate, Transition } from './core/strong-update.ts'
export { openUpdatesMax, resultsBytesMax, sessionsMax, strongBytesMax } from './defaults.ts'
