import { boolean, integer, message, object, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { placedAgent, registrationShape } from './core/shapes.ts'

/** Asks a peer whether it runs or holds an agent. */
export const WhereRequest = message({ agent: placedAgent })
export type WhereRequest = Infer<typeof WhereRequest>

export const WhereReply = message({
  running: boolean(),
  held: boolean(),
  epoch: optional(object({ view: integer({ min: 0 }), boot: integer({ min: 0 }) })),
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
