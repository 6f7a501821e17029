import { anything, integer, message, object, oneOf, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import type { Epoch, View } from '@murmuration/interface'
import { registrationShape } from './shapes.ts'

/**
 * What is agreed of one agent, in its one register (rule 1): who claimed it and under which epoch.
 * `sessions` and `data` belong to its strong state; who claims keeps them as they are.
 */
export const AgentRegister = message({
  owner: text({ max: 256 }),
  incarnation: text({ max: 256 }),
  epoch: object({ view: integer({ min: 0 }), boot: integer({ min: 0 }) }),
  /** `released`: its owner gave it up; the epoch stays, so that later ones are greater. */
  status: oneOf('claimed', 'released'),
  registration: optional(registrationShape),
  sessions: optional(anything()),
  data: optional(anything())
})
export type AgentRegister = Infer<typeof AgentRegister>

/** Who claims, and what it knows. */
export interface Claimant {
  readonly peer: string
  readonly incarnation: string
  readonly epoch: Epoch
  /** The view by which it claims. */
  readonly view: View
  /** Who owns the agent by that view. */
  readonly placed: string | undefined
}

/** Whether a claim stands in the way of another peer's. */
export function isHeld(current: AgentRegister | undefined, claimant: Claimant): boolean {
  if (current === undefined) return false
  const { owner, incarnation, epoch, status } = current
  const { members, number } = claimant.view
  // Epochs only rise: who is behind has to catch up first.
  if (epoch.view > number) return true
  if (status === 'released' || owner === claimant.peer) return false
  const isMember = members.some((one) => one.peer === owner && one.incarnation === incarnation)
  if (!isMember) return false
  // A later view gave the agent to somebody else: what was claimed under the older one is over. A
  // claim under this very view is on its way to a view of its own.
  const isOver = claimant.placed !== owner && epoch.view < number
  return !isOver
}

/** The register after a claim; the same value where somebody else holds it. */
export function claimed(
  current: AgentRegister | undefined,
  claimant: Claimant,
  registration: AgentRegister['registration']
): AgentRegister | undefined {
  if (isHeld(current, claimant)) return current
  const { peer: owner, incarnation, epoch } = claimant
  const kept = registration ?? current?.registration
  return {
    ...(current?.sessions === undefined ? {} : { sessions: current.sessions }),
    ...(current?.data === undefined ? {} : { data: current.data }),
    owner,
    incarnation,
    epoch: { view: epoch.view, boot: epoch.boot },
    status: 'claimed',
    ...(kept === undefined ? {} : { registration: kept })
  }
}

/** The register after it was taken out of the registry, by whomever. */
export function released(current: AgentRegister | undefined): AgentRegister | undefined {
  if (current === undefined || current.status === 'released') return current
  const { registration: _, ...rest } = current
  return { ...rest, status: 'released' }
}
