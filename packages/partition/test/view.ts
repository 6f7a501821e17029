import type { Member, Reachability, View } from '@murmuration/interface'
import type { Links, Row } from '@murmuration/partition'

function member(peer: string, since: number): Member {
  return { peer, incarnation: 'i', addresses: [], labels: {}, weight: 1, since }
}

/** A view of these members, the first one the oldest and the tie-breaker. */
export function viewOf(peers: readonly string[], tieBreaker = peers[0] ?? ''): View {
  return {
    cluster: 'test',
    number: peers.length,
    members: peers.map((peer, index) => member(peer, index + 1)),
    tieBreaker,
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
  }
}

/** What everybody tells, where these pairs (`from>to`: `from` does not hear `to`) are broken. */
export function linksOf(view: View, self: string, broken: readonly string[]): Links {
  const rows = new Map<string, Map<string, Reachability>>()
  for (const { peer } of view.members) rows.set(peer, new Map())
  for (const pair of broken) {
    const [from = '', to = ''] = pair.split('>')
    rows.get(from)?.set(to, 'unreachable')
  }
  return { self, view, rows: heardBy(self, rows) }
}

/** The rows of those that `self` hears, over others too. */
function heardBy(self: string, rows: ReadonlyMap<string, Row>): ReadonlyMap<string, Row> {
  const heard = new Set([self])
  for (const peer of heard) {
    for (const other of rows.keys()) {
      if (rows.get(peer)?.get(other) !== 'unreachable') heard.add(other)
    }
  }
  return new Map([...rows].filter(([peer]) => heard.has(peer)))
}

/** Both directions between all members of different sides. */
export function cut(...sides: readonly string[]): string[] {
  const broken: string[] = []
  for (const [index, side] of sides.entries()) {
    for (const other of sides.slice(index + 1)) {
      for (const a of side) for (const b of other) broken.push(`${a}>${b}`, `${b}>${a}`)
    }
  }
  return broken
}
