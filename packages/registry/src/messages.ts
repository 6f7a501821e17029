import { boolean, integer, message, object, oneOf, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'

const record = object({
  id: text({ max: 512 }),
  shardKey: optional(text({ max: 512 })),
  placement: oneOf('hash', 'pinned', 'load'),
  replicas: integer({ min: 1, max: 7 })
})

/** Asks a peer whether it runs or holds an agent. */
export const WhereRequest = message({ agent: record })
export type WhereRequest = Infer<typeof WhereRequest>

export const WhereReply = message({
  running: boolean(),
  held: boolean(),
  epoch: optional(object({ view: integer({ min: 0 }), boot: integer({ min: 0 }) }))
})
export type WhereReply = Infer<typeof WhereReply>

export const RemoveRequest = message({ agent: record })
export const RemoveReply = message({ removed: boolean() })
