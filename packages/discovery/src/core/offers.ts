import type { ActionOffer, OfferedAction } from '@murmuration/interface'

/** What one peer offers. */
export interface PeerOffer {
  readonly peer: string
  readonly labels: Readonly<Record<string, string>>
  readonly actions: readonly OfferedAction[]
}

/**
 * One entry per name and version, with all peers that offer it; ordered by name, version, peer.
 * What peers say differently comes from the lowest peer that says it, so that every asker sees the
 * same; different input schemas are shown, since a caller may meet either.
 */
export function mergeOffers(offers: readonly PeerOffer[]): readonly ActionOffer[] {
  const merged = new Map<string, MergedAction>()
  for (const { peer, actions } of offers.toSorted((a, b) => compare(a.peer, b.peer))) {
    for (const action of actions) {
      // A list as the key: no separator could be part of a name.
      const key = JSON.stringify([action.name, action.version])
      let known = merged.get(key)
      if (known === undefined) {
        known = { action, peers: [], schemas: new Map() }
        merged.set(key, known)
      }
      known.action = { ...action, ...known.action }
      if (known.peers.at(-1) !== peer) {
        known.peers.push(peer)
        noteSchema(known.schemas, action.inputSchema, peer)
      }
    }
  }
  return [...merged.values()]
    .map(({ action, peers, schemas }) => ({
      ...action,
      peers,
      ...(schemas.size > 1 ? { disagreeing: [...schemas.values()] } : {})
    }))
    .toSorted((a, b) => compare(a.name, b.name) || compare(a.version, b.version))
}

interface MergedAction {
  action: OfferedAction
  readonly peers: string[]
  readonly schemas: Map<string, { readonly inputSchema: unknown; readonly peers: string[] }>
}

/** A peer that tells no schema disagrees with nobody. */
function noteSchema(schemas: MergedAction['schemas'], inputSchema: unknown, peer: string): void {
  if (inputSchema === undefined) {
    return
  }
  const key = canonical(inputSchema)
  const known = schemas.get(key)
  if (known === undefined) {
    schemas.set(key, { inputSchema, peers: [peer] })
  } else {
    known.peers.push(peer)
  }
}

/** Equal for values that differ in the order of their keys only. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => compare(a, b)))
      : inner
  )
}

/** Names of actions that are in one offer and not in another. */
export function namesMissing(
  from: readonly OfferedAction[],
  other: readonly OfferedAction[]
): readonly string[] {
  const others = new Set(other.map(({ name, version }) => JSON.stringify([name, version])))
  const names = from
    .filter(({ name, version }) => !others.has(JSON.stringify([name, version])))
    .map(({ name }) => name)
  return [...new Set(names)].toSorted(compare)
}

/** Names of actions that are in both offers, in the same version, and told of differently. */
export function namesChanged(
  from: readonly OfferedAction[],
  other: readonly OfferedAction[]
): readonly string[] {
  const keyed = (action: OfferedAction): [string, string] => [
    JSON.stringify([action.name, action.version]),
    canonical(action)
  ]
  const others = new Map(other.map(keyed))
  const names = from
    .filter((action) => {
      const [key, now] = keyed(action)
      const before = others.get(key)
      return before !== undefined && before !== now
    })
    .map(({ name }) => name)
  return [...new Set(names)].toSorted(compare)
}

/** Whether labels are the same, in whatever order. */
export function areEqualLabels(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>
): boolean {
  return canonical(one) === canonical(other)
}

/**
 * The peers that offer all of the names, in any version, and have all of the labels, of their own or
 * on each of these actions; ordered.
 */
export function capablePeers(
  offers: readonly PeerOffer[],
  names: readonly string[],
  wanted: Readonly<Record<string, string>>
): readonly string[] {
  return offers
    .filter((offer) => {
      const offered = Map.groupBy(offer.actions, ({ name }) => name)
      const has = (labels: Readonly<Record<string, string>> | undefined, key: string): boolean =>
        labels !== undefined && Object.hasOwn(labels, key) && labels[key] === wanted[key]
      return (
        names.every((name) => offered.has(name)) &&
        Object.keys(wanted).every(
          (key) =>
            has(offer.labels, key) ||
            // Or every one of the asked actions has it.
            (names.length > 0 &&
              names.every((name) => offered.get(name)?.some((one) => has(one.labels, key))))
        )
      )
    })
    .map(({ peer }) => peer)
    .toSorted(compare)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
