import type { AgentRecord, Member } from '@murmuration/interface'

/** What the cores need of a placement; the real one comes from `@murmuration/placement`. */
export interface Homes {
  homeOf(agent: AgentRecord): readonly Member[]
  ownerOf(agent: AgentRecord): Member | undefined
}

/** One life of a peer's disk. A wiped peer never speaks for its former one. */
export type MemberKey = string

export function memberKey(member: {
  readonly peer: string
  readonly incarnation: string
}): MemberKey {
  return member.peer + '#' + member.incarnation
}

const keys = new WeakMap<Member, MemberKey>()

/** The same text for each member of a view, however many documents name it. */
export function keyOf(member: Member): MemberKey {
  const known = keys.get(member)
  if (known !== undefined) return known
  const key = memberKey(member)
  keys.set(member, key)
  return key
}

/** W: copies before an acknowledgement. Two survive the failure of any single peer. */
export function copiesNeeded(homeSize: number): number {
  return Math.min(2, homeSize)
}

/** R − W + 1: so many members of a home set hold, together, everything that was acknowledged. */
export function collectNeeded(homeSize: number): number {
  return homeSize - copiesNeeded(homeSize) + 1
}

/**
 * Stands for the incarnation of an edge peer. Its lives are told apart by the number of its seat,
 * which rises also when its disk was lost, and which takes the place of its boot.
 */
export const edgeIncarnation = 'edge'
