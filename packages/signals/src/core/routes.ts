import type { SignalRoute } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { routesMax, targetsMax } from '../defaults.ts'
import { patternSegments } from './pattern.ts'
import { PatternTrie } from './trie.ts'

/** The route of a type where a publication names none. */
export class DefaultRoutes {
  readonly #trie = new PatternTrie<number>()
  readonly #routes: readonly SignalRoute[]

  /** Throws `InvalidParametersError`. */
  constructor(routes: Readonly<Record<string, SignalRoute>>) {
    const entries = Object.entries(routes)
    if (entries.length > routesMax) {
      throw new InvalidParametersError(`routes has more than ${routesMax} patterns`)
    }
    this.#routes = entries.map(([pattern, route], order) => {
      this.#trie.add(patternSegments(pattern), order)
      return checkRoute(route)
    })
  }

  /** The first pattern that was given and matches decides. */
  of(type: readonly string[]): SignalRoute {
    const first = Math.min(...this.#trie.match(type))
    return this.#routes[first] ?? 'cluster'
  }
}

/** Throws `InvalidParametersError` unless the value is a route. */
export function checkRoute(route: SignalRoute): SignalRoute {
  if (route === 'local' || route === 'cluster') {
    return route
  }
  if (typeof route === 'object' && route !== null) {
    if ('shard' in route && typeof route.shard === 'string' && route.shard !== '') {
      return route
    }
    if ('targeted' in route && isPeerList(route.targeted)) {
      return route
    }
  }
  throw new InvalidParametersError(
    `route must be 'local', 'cluster', { shard: key } or { targeted: 1 to ${targetsMax} peers }`
  )
}

function isPeerList(peers: unknown): boolean {
  return (
    Array.isArray(peers) &&
    peers.length > 0 &&
    peers.length <= targetsMax &&
    peers.every((peer) => typeof peer === 'string' && peer !== '')
  )
}
