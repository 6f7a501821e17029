import { boolean, message, oneOf, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import {
  branchClaimShape,
  epochShape,
  mergedSideShape,
  placedAgent,
  registrationShape
} from './core/shapes.ts'

/** Asks a peer whether it runs or holds an agent. */
export const WhereRequest = message({ agent: placedAgent })
export type WhereRequest = Infer<typeof WhereRequest>

export const WhereReply = message({
  running: boolean(),
  held: boolean(),
  epoch: optional(epochShape),
  /** Who owns it by the view of the peer that answers: the sender's view may be older. */
  owner: optional(text({ max: 256 })),
  /** Who ran it before, while the owner merges its state and does not serve it yet. */
  from: optional(text({ max: 256 })),
  /** What was registered of the agent. */
  registered: optional(registrationShape)
})
export type WhereReply = Infer<typeof WhereReply>

export const RemoveRequest = message({ agent: placedAgent })
export const RemoveReply = message({ removed: boolean() })

/** Asks the owner in the agreed view to take up what one side of a split granted. */
export const MergeRequest = message({ claim: branchClaimShape })

export const MergeReply = message({
  /**
   * `merged`: another side had claimed the agent too. `taken`: nobody else had. `not-now`: this peer
   * does not own it, or cannot ask the register: to be asked again.
   */
  status: oneOf('merged', 'taken', 'not-now'),
  /** What had been claimed before, of the other side where it is `merged`. */
  other: optional(mergedSideShape)
})
export type MergeReply = Infer<typeof MergeReply>
