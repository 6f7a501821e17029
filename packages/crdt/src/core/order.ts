/** What `min` and `max` compare: numbers and bigints together, text, and tuples of these. */
export type Ordered = number | bigint | string | readonly Ordered[]

export function isOrdered(value: unknown, depth = 0): value is Ordered {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value === 'bigint' || typeof value === 'string') return true
  return Array.isArray(value) && depth < 8 && value.every((item) => isOrdered(item, depth + 1))
}

/** Numbers before text before tuples; tuples item by item. 1 comes before 1n, so no two tie. */
export function compareOrdered(a: Ordered, b: Ordered): number {
  if (typeof a === 'object' || typeof b === 'object') {
    if (typeof a !== 'object') return -1
    if (typeof b !== 'object') return 1
    const shared = Math.min(a.length, b.length)
    for (let i = 0; i < shared; i++) {
      const order = compareOrdered(a[i] ?? 0, b[i] ?? 0)
      if (order !== 0) return order
    }
    return a.length - b.length
  }
  const rank = Number(typeof a === 'string') - Number(typeof b === 'string')
  if (rank !== 0) return rank
  if (a < b) return -1
  if (a > b) return 1
  return Number(typeof a === 'bigint') - Number(typeof b === 'bigint')
}
