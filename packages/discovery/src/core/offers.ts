import type { ActionOffer, OfferedAction } from '@murmuration/interface'

/** What one peer offers. */
export interface PeerOffer {
  readonly peer: string
  readonly labels: Readonly<Record<string, string>>
  readonly actions: readonly OfferedAction[]
}

/**
 * One entry per name and version, with all peers that offer it; ordered by name, version, peer.
 * Schema and description come from the lowest peer that has them, so that every asker sees the same.
 */
export function mergeOffers(offers: readonly PeerOffer[]): readonly ActionOffer[] {
  const merged = new Map<string, { action: OfferedAction; peers: string[] }>()
  for (const { peer, actions } of offers.toSorted((a, b) => compare(a.peer, b.peer))) {
    for (const action of actions) {
      // A list as the key: no separator could be part of a name.
      const key = JSON.stringify([action.name, action.version])
      const known = merged.get(key)
      if (known === undefined) {
        merged.set(key, { action, peers: [peer] })
      } else {
        known.action = { ...action, ...known.action }
        if (known.peers.at(-1) !== peer) {
          known.peers.push(peer)
        }
      }
    }
  }
  return [...merged.values()]
    .map(({ action, peers }) => ({ ...action, peers }))
    .toSorted((a, b) => compare(a.name, b.name) || compare(a.version, b.version))
}

/** The peers that offer all of the names, in any version, and have all of the labels; ordered. */
export function capablePeers(
  offers: readonly PeerOffer[],
  names: readonly string[],
  labels: Readonly<Record<string, string>>
): readonly string[] {
  const wanted = Object.entries(labels)
  return offers
    .filter((offer) => {
      const offered = new Set(offer.actions.map(({ name }) => name))
      return (
        names.every((name) => offered.has(name)) &&
        wanted.every(
          ([key, value]) => Object.hasOwn(offer.labels, key) && offer.labels[key] === value
        )
      )
    })
    .map(({ peer }) => peer)
    .toSorted(compare)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
