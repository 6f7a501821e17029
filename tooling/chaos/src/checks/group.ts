/** The members of a list under each of their keys, in order. */
export function byKey<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const one of all) {
    const key = keyOf(one)
    const same = found.get(key)
    if (same === undefined) found.set(key, [one])
    else same.push(one)
  }
  return found
}
