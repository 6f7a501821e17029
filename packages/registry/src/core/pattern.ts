/**
 * Matches agent ids against a pattern: `*` stands for one segment, `**` for any number of them.
 * Segments are separated by `/`.
 */
export function compilePattern(pattern: string): (id: string) => boolean {
  const wanted = pattern.split('/')
  return (id) => matches(wanted, 0, id.split('/'), 0)
}

function matches(
  wanted: readonly string[],
  at: number,
  given: readonly string[],
  from: number
): boolean {
  for (let w = at, g = from; ; w++, g++) {
    const segment = wanted[w]
    if (segment === undefined) return g === given.length
    if (segment === '**') {
      for (let rest = g; rest <= given.length; rest++) {
        if (matches(wanted, w + 1, given, rest)) return true
      }
      return false
    }
    if (g >= given.length || (segment !== '*' && segment !== given[g])) return false
  }
}
