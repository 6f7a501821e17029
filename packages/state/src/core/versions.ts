import type { VersionVector } from '@murmuration/interface'

/** Whether updates belong to writers that have left a version, with all that they ever did. */
export interface GoneWriters {
  has(writer: string, counter: number): boolean
}

/**
 * Whether a version contains everything that another one does. Writers leave versions when nothing of
 * theirs can be missing any more: `gone` tells which.
 */
export function includesVersion(
  version: VersionVector,
  wanted: VersionVector,
  gone?: GoneWriters
): boolean {
  return Object.entries(wanted).every(
    ([writer, count]) =>
      (version[writer] ?? 0) >= count ||
      (version[writer] === undefined && gone?.has(writer, count) === true)
  )
}
