import type { VersionVector } from '@murmuration/interface'

/** Whether a version contains everything that another one does. */
export function includesVersion(version: VersionVector, wanted: VersionVector): boolean {
  return Object.entries(wanted).every(([writer, count]) => (version[writer] ?? 0) >= count)
}
