import { boolean, integer, list, message, object, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { defaults } from './defaults.ts'

const count = integer({ min: 0 })
const peer = text({ max: 256 })
const id = text({ max: 512 })
/** As many as a view may have. */
const membersMax = 4096
const max = defaults.perViewMax + 1

/**
 * Asks an owner which of its agents would go to these members if they rose to a part of their
 * weights, in millionths: those that go first, one more than a step may move.
 */
export const OffersRequest = message({
  shares: count,
  peers: list(peer, { max: membersMax }),
  until: count,
  max: integer({ min: 1, max })
})

/**
 * `left` counts all of them. Where the members and their owner weights are other ones here (`shares`, by
 * {@link fingerprintOf}) nothing is offered. With `rests`
 * the peer does not want agents itself.
 */
export const OffersReply = message({
  shares: count,
  rests: boolean(),
  left: count,
  agents: list(object({ id, key: id }), { max })
})
export type Offers = Infer<typeof OffersReply>

/** Asks an owner whether its agents may be moved to a peer now. */
export const AskRequest = message({ peer, ids: list(id, { max }) })
export const AskReply = message({ refused: list(id, { max }) })
