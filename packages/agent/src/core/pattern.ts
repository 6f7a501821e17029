import { InvalidParametersError } from '@murmuration/interface'

/**
 * Compiles a pattern of signal types: `*` stands for one segment, `**` for any number of them, none
 * included. Segments are separated by dots. Never takes more steps than pattern × type has segments.
 *
 * @throws InvalidParametersError for an empty segment, or a wildcard inside of one
 */
export function compilePattern(pattern: string): (type: string) => boolean {
  const wanted = pattern.split('.')
  for (const segment of wanted) {
    if (segment === '*' || segment === '**' || /^[^\s*]+$/.test(segment)) continue
    throw new InvalidParametersError(
      `'${pattern}' is no pattern: segments between dots, '*' and '**' only as whole segments`
    )
  }
  return (type) => matches(wanted, type.split('.'))
}

/** As for globs: only the last `**` has to be tried again, since the earlier ones took the least. */
function matches(wanted: readonly string[], given: readonly string[]): boolean {
  let w = 0
  let g = 0
  let starAt = -1
  let starFrom = 0
  while (g < given.length) {
    const segment = wanted[w]
    if (segment === '**') {
      starAt = w++
      starFrom = g
    } else if (segment !== undefined && (segment === '*' || segment === given[g])) {
      w++
      g++
    } else if (starAt >= 0) {
      w = starAt + 1
      g = ++starFrom
    } else {
      return false
    }
  }
  while (wanted[w] === '**') w++
  return w === wanted.length
}
