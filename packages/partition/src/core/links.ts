import type { PartitionKind, Reachability, SplitSituation, View } from '@murmuration/interface'

/** What one member told of the others: only those that it does not simply reach. */
export type Row = ReadonlyMap<string, Reachability>

/** Who reaches whom, by the members that told; one that did not tell is believed to reach all. */
export interface Links {
  readonly self: string
  readonly view: View
  readonly rows: ReadonlyMap<string, Row>
}

interface Outside {
  readonly leaving?: ReadonlySet<string>
  readonly joining?: ReadonlySet<string>
  readonly isUnstable?: boolean
}

const nobody: ReadonlySet<string> = new Set()

/** Whether `from` hears `to`, as far as `from` has told. */
function hears({ rows }: Links, from: string, to: string): boolean {
  return rows.get(from)?.get(to) !== 'unreachable'
}

/** A link that works in one direction only is none. */
function isLinked(links: Links, a: string, b: string): boolean {
  return hears(links, a, b) && hears(links, b, a)
}

/** All that can be reached from this peer by links that work, over others too. */
function component(links: Links): Set<string> {
  const left = new Set(links.view.members.map(({ peer }) => peer))
  left.delete(links.self)
  const found = new Set([links.self])
  for (const peer of found) {
    for (const other of left) {
      // Who has told nothing is heard by nobody here, or it would have: it links nobody else.
      if (!links.rows.has(peer) || !isLinked(links, peer, other)) continue
      left.delete(other)
      found.add(other)
    }
  }
  return found
}

/**
 * Leaves out members until all that are left reach each other: first who misses most, of equal ones
 * the highest PeerId, the tie-breaker of the view last. Equal reports give equal answers everywhere.
 */
function leaveOut(links: Links, members: ReadonlySet<string>): ReadonlySet<string> {
  const left = [...members].toSorted((a, b) => rank(links, a, b))
  const out = new Set<string>()
  for (;;) {
    let worst: string | undefined
    let most = 0
    for (const peer of left) {
      if (out.has(peer)) continue
      const missed = left.filter(
        (other) => other !== peer && !out.has(other) && !isLinked(links, peer, other)
      )
      if (missed.length > 0 && missed.length >= most) {
        worst = peer
        most = missed.length
      }
    }
    if (worst === undefined) return out
    out.add(worst)
  }
}

function rank({ view }: Links, a: string, b: string): number {
  if (a === view.tieBreaker || b === view.tieBreaker) return a === view.tieBreaker ? -1 : 1
  return a < b ? -1 : 1
}

/** The situation that strategies judge. */
export function situationOf(links: Links, outside: Outside = {}): SplitSituation {
  const { self, view } = links
  const members = view.members.map(({ peer }) => peer)
  const inside = component(links)
  const indirect = leaveOut(links, inside)
  return {
    self,
    view,
    direct: new Set(members.filter((peer) => peer === self || hears(links, self, peer))),
    side: new Set([...inside].filter((peer) => !indirect.has(peer))),
    indirect,
    others: new Set(members.filter((peer) => !inside.has(peer))),
    leaving: outside.leaving ?? nobody,
    joining: outside.joining ?? nobody,
    isUnstable: outside.isUnstable ?? false
  }
}

/** What is wrong with the links, and a sentence for each thing. */
export function describeLinks(links: Links): {
  readonly kind: PartitionKind
  readonly reasons: readonly string[]
} {
  const { view, rows, self } = links
  const members = view.members.map(({ peer }) => peer)
  const { others } = situationOf(links)
  const reasons: string[] = []
  let kind: PartitionKind = 'whole'
  const raise = (to: PartitionKind): void => {
    if (severity.indexOf(to) > severity.indexOf(kind)) kind = to
  }
  for (const [index, a] of members.entries()) {
    for (const b of members.slice(index + 1)) {
      const [there, back] = [hears(links, a, b), hears(links, b, a)]
      if (there && back) {
        const isSuspected = rows.get(a)?.has(b) === true || rows.get(b)?.has(a) === true
        if (isSuspected) raise('suspected')
        continue
      }
      if (others.has(a) || others.has(b)) continue
      // The one that says nothing of the other may just not have noticed yet.
      const isOneWay = there !== back && rows.has(a) && rows.has(b)
      raise(isOneWay ? 'one-way' : 'indirect')
      reasons.push(
        isOneWay
          ? `${there ? b : a} does not hear ${there ? a : b}, which hears it`
          : `${a} and ${b} miss each other, and others reach both`
      )
    }
  }
  if (others.size > 0) {
    raise('split')
    reasons.push(`nobody on the side of ${self} reaches ${[...others].join(', ')}`)
  }
  return { kind, reasons }
}

const severity: readonly PartitionKind[] = ['whole', 'suspected', 'indirect', 'one-way', 'split']
