import { valueKey } from './values.ts'

/*
 * An opaque value is stored as an array: the value, then the ones that it descends from, newest
 * first. It needs no more than that for a three-way merge: the newest value that both sides descend
 * from is where they parted.
 */

/** Values that one descends from and that travel with it; older ones are forgotten. */
export const ancestorsMax = 3

export function isVersion(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= ancestorsMax + 1
}

export function versionOf(entry: { readonly value: unknown }): readonly unknown[] {
  return isVersion(entry.value) ? entry.value : []
}

/** The newest value that both descend from; undefined where none is remembered by both. */
export function sharedAncestor(a: readonly unknown[], b: readonly unknown[]): unknown {
  const known = new Set(b.map(valueKey))
  return a.find((value) => known.has(valueKey(value)))
}
