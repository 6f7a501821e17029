import { InvalidParametersError } from '@murmuration/interface'
import type { StrategyFactory } from '../components.ts'
import { BOOTSTRAP_ADDRESSES_MAX } from '../defaults.ts'
import { parseAddress, parsePeer, peerOf } from '../targets.ts'
import { ListedAddresses, timesOf } from './listed.ts'
import type { ListedInit } from './listed.ts'

/** Options of {@link bootstrap}. */
export interface BootstrapInit extends ListedInit {
  /** Multiaddr texts, with or without `/p2p/<PeerId>` at the end; may name this peer itself. */
  readonly addresses: readonly string[]
}

/**
 * Dials the listed addresses until this peer has a connection, with full jitter from 100 ms to
 * `backoffMaxMs`; starts again when it has none any more. Once a minute it dials those of the list
 * that are not connected, so that parts of a cluster that started apart meet.
 *
 * Throws `InvalidParametersError` for an empty list, too long a list or a text that is no multiaddr.
 */
export function bootstrap(init: BootstrapInit): StrategyFactory {
  const { addresses } = init
  if (addresses.length === 0 || addresses.length > BOOTSTRAP_ADDRESSES_MAX) {
    throw new InvalidParametersError(`bootstrap needs 1 to ${BOOTSTRAP_ADDRESSES_MAX} addresses`)
  }
  for (const text of addresses) {
    const parsed = parseAddress(text)
    if (parsed === undefined) {
      throw new InvalidParametersError(`not a multiaddr: ${text}`)
    }
    const peer = peerOf(parsed)
    if (peer !== undefined) {
      parsePeer(peer)
    }
  }
  const times = timesOf(init)
  const list = { name: 'bootstrap', read: () => addresses }
  return (components) => new ListedAddresses(components, list, times)
}
