import { integer, message, oneOf } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { labelsShape, placedAgent } from './shapes.ts'

/** What a peer says of an agent in the DHT, inside a signed envelope. */
export const LocationBody = message({
  agent: placedAgent,
  /** `gone`: its owner gave it up; whoever comes next needs no expiry to wait for. */
  status: oneOf('here', 'gone'),
  /** Counts the owners of the agent. */
  term: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** Milliseconds since 1970 after which the record says nothing any more. */
  expiresAt: integer({ min: 0 }),
  labels: labelsShape,
  metadata: labelsShape
})
export type LocationBody = Infer<typeof LocationBody>

/** A location record whose signature holds. */
export interface Location extends LocationBody {
  /** PeerId (text) that signed it: where the agent is. */
  readonly owner: string
  /** Raised by the owner with each publication. */
  readonly sequence: number
  /** When it was signed, by the owner's clock. */
  readonly time: number
}

/**
 * Whether `next` replaces `current` where it is stored. Later terms replace earlier ones, and later
 * publications of one owner earlier ones. Of two owners of one term the first that came stays until
 * it has given up: so of two that claim at once at most one is stored on most of the same peers.
 */
export function supersedes(next: Location, current: Location): boolean {
  if (next.term !== current.term) return next.term > current.term
  if (next.owner === current.owner) return next.sequence > current.sequence
  return current.status === 'gone' && next.status === 'here' && next.time > current.time
}

/** A record, and how many peers gave it. */
export interface Weighed {
  readonly location: Location
  readonly holders: number
}

/**
 * The record that holds, of all that peers gave: the newest of each owner of the latest term; of
 * two such owners the one that more peers hold, and by name where that is even. A fresh record
 * never loses to a stale one, whatever number of peers holds that.
 */
export function weigh(found: readonly Location[]): Weighed | undefined {
  const latest = Math.max(...found.map(({ term }) => term))
  const owners = new Map<string, { location: Location; holders: number }>()
  for (const location of found) {
    if (location.term !== latest) continue
    const known = owners.get(location.owner)
    if (known === undefined) {
      owners.set(location.owner, { location, holders: 1 })
      continue
    }
    known.holders++
    if (location.sequence > known.location.sequence) known.location = location
  }
  return [...owners.values()].reduce<Weighed | undefined>(
    (best, next) => (best === undefined || isBetter(next, best) ? next : best),
    undefined
  )
}

function isBetter(next: Weighed, best: Weighed): boolean {
  const isHere = next.location.status === 'here'
  if (isHere !== (best.location.status === 'here')) return isHere
  if (next.holders !== best.holders) return next.holders > best.holders
  return next.location.owner < best.location.owner
}
