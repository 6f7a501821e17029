import type { VersionVector } from '@murmuration/interface'
import type { Collection } from './collection.ts'

/** What a replica says of its copy, durably, when a collection is prepared. */
export interface CollectionReport {
  readonly floor: number
  readonly version: VersionVector
  /** Writers of which all is here and nothing lives in this copy, with their last counters. */
  readonly retirable: VersionVector
}

/**
 * The next collection, from the reports of **all** replicas of every home set that may still hold
 * unique data: the writers of which everybody has everything and keeps nothing alive. Both last for
 * good once they are so, hence one round is enough: what a writer did that is gone everywhere is
 * causally stable, and no later update can name it. `isGone` says that a writer will never write
 * again, which is agreed elsewhere (a boot that has ended, an incarnation that left the view).
 * Undefined: none can go now.
 */
export function nextCollection(
  reports: readonly CollectionReport[],
  isGone: (writer: string) => boolean
): Collection | undefined {
  const [first, ...others] = reports
  if (first === undefined || others.some(({ floor }) => floor !== first.floor)) return undefined
  const writers: Record<string, number> = {}
  for (const [writer, last] of Object.entries(first.retirable)) {
    if (isGone(writer) && others.every(({ retirable }) => retirable[writer] === last)) {
      writers[writer] = last
    }
  }
  return Object.keys(writers).length === 0 ? undefined : { floor: first.floor + 1, writers }
}
