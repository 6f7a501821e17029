import type { ForcedMark, Member, View } from '@murmuration/interface'
import type { Decision, Proof } from './records.ts'
import { memberOf } from './lookup.ts'
import { compareText } from './view-change.ts'

/** A view as far as it differs from another one that both sides have. */
export interface Delta extends Omit<View, 'cluster' | 'members'> {
  /** The number of the view that it changes. */
  readonly base: number
  /** Members that came or changed. */
  readonly put: readonly Member[]
  /** Members that went, as PeerIds. */
  readonly drop: readonly string[]
}

/** A decision as it travels: a view of a thousand members takes 200 KB, what changes in it 300 B. */
export interface Packed {
  readonly view?: View
  readonly delta?: Delta
  readonly left: readonly string[]
  readonly proof?: Proof
  readonly forced?: ForcedMark
}

/** Packs a decision for a peer that has the view `base`, or none. */
export function pack(base: View | undefined, { view, ...others }: Decision): Packed {
  return base === undefined ? { ...others, view } : { ...others, delta: deltaOf(base, view) }
}

/** The decision again; undefined where this peer does not have the view that it changes. */
export function unpack(base: View | undefined, packed: Packed): Decision | undefined {
  const { delta, view: whole, ...others } = packed
  if (whole !== undefined) {
    return { ...others, view: whole }
  }
  if (delta === undefined || base === undefined || base.number !== delta.base) {
    return undefined
  }
  return { ...others, view: applied(base, delta) }
}

/** Packs consecutive decisions, the first for a peer that has the view before it, or nothing. */
export function packAll(base: View | undefined, decisions: readonly Decision[]): readonly Packed[] {
  return decisions.map((decision, index) => pack(decisions[index - 1]?.view ?? base, decision))
}

export function unpackAll(
  base: View | undefined,
  packed: readonly Packed[]
): readonly Decision[] | undefined {
  const decisions: Decision[] = []
  for (const one of packed) {
    const decision = unpack(decisions.at(-1)?.view ?? base, one)
    if (decision === undefined) {
      return undefined
    }
    decisions.push(decision)
  }
  return decisions
}

function deltaOf(base: View, next: View): Delta {
  const { cluster: _, members, ...others } = next
  const put = members.filter((member) => {
    const before = memberOf(base, member.peer)
    return before !== member && JSON.stringify(before) !== JSON.stringify(member)
  })
  const drop = base.members
    .map(({ peer }) => peer)
    .filter((peer) => memberOf(next, peer) === undefined)
  return { ...others, base: base.number, put, drop }
}

function applied(before: View, delta: Delta): View {
  const { base, put, drop, ...others } = delta
  // Checked by whoever unpacks it; the other fields are the view's own.
  void base
  const members = new Map(before.members.map((member) => [member.peer, member]))
  for (const peer of drop) {
    members.delete(peer)
  }
  for (const member of put) {
    members.set(member.peer, member)
  }
  const ordered = [...members.values()].toSorted((a, b) => compareText(a.peer, b.peer))
  return { cluster: before.cluster, ...others, members: ordered }
}
