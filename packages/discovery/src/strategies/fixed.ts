import type { DiscoveryStrategy, FoundPeer } from '@murmuration/interface'

/**
 * Finds the given peers at once, and nothing else. For tests, and for clusters whose peers are
 * known by configuration.
 */
export function fixed(peers: readonly FoundPeer[]): DiscoveryStrategy {
  return {
    name: 'fixed',
    start: (found) => {
      for (const peer of peers) {
        found(peer)
      }
    },
    stop: () => {}
  }
}
