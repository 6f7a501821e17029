/** A map that forgets the entry that was not read for the longest time when it is full. */
export interface BoundedMap<K, V> {
  readonly size: number
  get(key: K): V | undefined
  set(key: K, value: V): void
  delete(key: K): void
}

/** Makes a map of at most `max` entries. */
export function createBoundedMap<K, V>(max: number): BoundedMap<K, V> {
  // A Map keeps the order of insertion, so its first key is always the oldest.
  const entries = new Map<K, V>()
  return {
    get size() {
      return entries.size
    },
    get(key) {
      const value = entries.get(key)
      if (value !== undefined) {
        entries.delete(key)
        entries.set(key, value)
      }
      return value
    },
    set(key, value) {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size > max) {
        for (const oldest of entries.keys()) {
          entries.delete(oldest)
          break
        }
      }
    },
    delete(key) {
      entries.delete(key)
    }
  }
}
