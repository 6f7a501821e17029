import { bytes, integer, message, object, oneOf, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { resultsBytesMax, strongBytesMax } from '@murmuration/agent-register'
import { agentRecord } from './messages.ts'

const count = integer({ min: 0 })
const key = object({ session: text({ max: 256 }), sequence: count, lowest: count })
const result = optional(bytes({ max: resultsBytesMax }))

/** A question to the owner of an agent for its strong state, or to change it. */
export const StrongRequest = message({
  /** The view by which the sender chose this peer. */
  asked: count,
  record: agentRecord,
  /** Of a read: whether it was applied is told too. */
  key: optional(key),
  update: optional(object({ key, expected: count, value: bytes({ max: strongBytesMax }), result }))
})
export type StrongRequest = Infer<typeof StrongRequest>

export const StrongReply = message({
  /**
   * `elsewhere`: this peer does not own it in `view`. `read`: what was asked for. `known`: the key was
   * applied before.
   */
  status: oneOf('read', 'applied', 'known', 'changed', 'elsewhere'),
  view: optional(count),
  boot: optional(count),
  /** The side of a split for which the owner acts: it belongs to the epoch. */
  branch: optional(text({ max: 256 })),
  version: optional(count),
  value: optional(bytes({ max: strongBytesMax })),
  /** What was kept under the key. */
  result
})
export type StrongReply = Infer<typeof StrongReply>
