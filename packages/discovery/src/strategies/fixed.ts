import type { FoundPeer } from '@murmuration/interface'
import type { StrategyFactory } from '../components.ts'
import { LIST_CHECK_MS, LIST_REFRESH_MS } from '../defaults.ts'

/**
 * Finds the given peers at once, and nothing else. For tests, and for clusters whose peers are
 * known by configuration. A found peer is dialled once, so those that are missing are reported again
 * each second while nobody is connected, and once a minute else; between the dials is back-off.
 */
export function fixed(peers: readonly FoundPeer[]): StrategyFactory {
  return (components) => {
    const { clock, random } = components
    let cancel = (): void => {}
    return {
      name: 'fixed',
      start: (found) => {
        let refreshAt = Number.NEGATIVE_INFINITY
        const turn = (): void => {
          const present = new Set(components.connected())
          if (present.size === 0 || clock.monotonic() >= refreshAt) {
            refreshAt = clock.monotonic() + LIST_REFRESH_MS * (0.5 + random.next())
            for (const peer of peers.filter((one) => !present.has(one.peer))) {
              found(peer)
            }
          }
          cancel = clock.schedule(LIST_CHECK_MS, turn)
        }
        turn()
      },
      stop: () => cancel()
    }
  }
}
