/**
 * Weighted rendezvous hashing of agents over the members of a view.
 *
 * @packageDocumentation
 */
export { createPlacement, pinnedPeer, serverOf } from './core/placement.ts'
export { arrived, ownerPartOf, ownerWeightOf } from './core/owners.ts'
export type { Placement } from './core/placement.ts'
export { planRebalance } from './core/rebalance.ts'
export type { AgentMove, RebalancePlan } from './core/rebalance.ts'
export { nextFall, nextPart, partsFor, riseOf, sharesAt, withShares } from './core/steps.ts'
export type { Rise } from './core/steps.ts'
export { slotOf } from './core/slot.ts'
