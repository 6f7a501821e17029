import { boolean, integer, message, oneOf, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import type { RegisterKey } from '@murmuration/interface'

const life = { incarnation: text({ max: 256 }), boot: integer({ min: 1 }) }

/** What is agreed of an edge peer, in its one register: which of its lives may act. */
export const SeatRecord = message({
  /** Rises with each life that takes it. */
  number: integer({ min: 1 }),
  ...life,
  /** The life before had another disk, so it may run still: its lease has to end first. */
  replaced: boolean()
})
export type SeatRecord = Infer<typeof SeatRecord>

/** Takes the seat with number 0, and renews its lease with any other one. */
export const SeatRequest = message({ ...life, number: integer({ min: 0 }) })
export type SeatRequest = Infer<typeof SeatRequest>

export const SeatReply = message({
  /** `taken`: by another life. `ended`: this peer is a member, or revoked. */
  status: oneOf('held', 'taken', 'ended'),
  number: integer({ min: 0 }),
  replaced: boolean(),
  leaseMs: integer({ min: 0 })
})
export type SeatReply = Infer<typeof SeatReply>

export const SEAT = 'registry.seat'

/** No id of an agent begins with `~`. */
export function seatKeyOf(peer: string): RegisterKey {
  return { id: `~seat/${peer}`, replicas: 3 }
}

/** The seat after a life asked for it; the very record that was given where that changes nothing. */
export function seatTaken(
  current: SeatRecord | undefined,
  { incarnation, boot }: Pick<SeatRequest, 'incarnation' | 'boot'>
): SeatRecord {
  if (current === undefined) return { number: 1, incarnation, boot, replaced: false }
  const isSameDisk = current.incarnation === incarnation
  // A disk is opened by one process at a time, so an earlier boot of it is a late message.
  if (isSameDisk && boot <= current.boot) return current
  return { number: current.number + 1, incarnation, boot, replaced: !isSameDisk }
}
