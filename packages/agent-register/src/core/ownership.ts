import type { Epoch, View } from '@murmuration/interface'
import { compareEpochs } from './record.ts'
import type { AgentRegister } from './record.ts'

/** Who claims, and what it knows. */
export interface Claimant {
  readonly peer: string
  readonly incarnation: string
  readonly epoch: Epoch
  /** The view by which it claims. */
  readonly view: View
  /** Who owns the agent by that view. */
  readonly placed: string | undefined
  /**
   * It acts for one side of a split: it changes what is agreed and claims nothing, so the owner by the
   * last agreed view finds its claim as it was. @default false
   */
  readonly isBranched?: boolean
}

/** Whether what is agreed stands in the way of a claim (rules 2 and 12): the claimant is fenced. */
export function isHeld(current: AgentRegister | undefined, claimant: Claimant): boolean {
  if (current === undefined) return false
  const { owner, incarnation, epoch, status } = current
  const { members, number } = claimant.view
  const order = compareEpochs(claimant.epoch, epoch)
  const isOwn = owner === claimant.peer && incarnation === claimant.incarnation
  // Epochs only rise, and one epoch belongs to one owner: who is behind has to catch up first.
  if (isOwn && claimant.isBranched !== true) return order < 0
  if (epoch.view > number) return true
  if (claimant.isBranched === true) return false
  if (status === 'released') return false
  if (!members.some((one) => one.peer === owner && one.incarnation === incarnation)) return false
  // Other views may come before the one that it waits for: until it arrives or gives up, it stands.
  if (status === 'claiming') return true
  // A later view gave the agent to somebody else: what was claimed under the older one is over.
  return claimant.placed === owner || epoch.view >= number
}

/** The register after a claim; the same value where the claimant is fenced or has it already. */
export function claimed(
  current: AgentRegister | undefined,
  claimant: Claimant,
  registration: AgentRegister['registration'] = current?.registration,
  status: 'claimed' | 'claiming' = 'claimed'
): AgentRegister | undefined {
  if (isHeld(current, claimant)) return current
  if (claimant.isBranched === true) return current ?? unclaimed(claimant)
  const { peer: owner, incarnation, epoch } = claimant
  return {
    ...current,
    owner,
    incarnation,
    epoch: { view: epoch.view, boot: epoch.boot },
    status,
    ...(registration === undefined ? {} : { registration })
  }
}

/** A register that holds something, and that nobody has claimed: any epoch is later than its own. */
function unclaimed({ peer: owner, incarnation }: Claimant): AgentRegister {
  return { owner, incarnation, epoch: { view: 0, boot: 0 }, status: 'released' }
}

/** The register after it was given up, by whomever. The strong state stays. */
export function released(current: AgentRegister | undefined): AgentRegister | undefined {
  if (current === undefined || current.status === 'released') return current
  const { registration: _, ...rest } = current
  return { ...rest, status: 'released' }
}
