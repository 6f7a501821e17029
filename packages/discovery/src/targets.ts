import { peerIdFromString } from '@libp2p/peer-id'
import { InvalidParametersError } from '@murmuration/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger, PeerId } from '@libp2p/interface'
import { ADDRESS_LENGTH_MAX, ADDRESSES_MAX, TEXT_MAX } from './defaults.ts'

/** The PeerId of a text, in the one spelling that libp2p prints; else `InvalidParametersError`. */
export function parsePeer(peer: unknown): PeerId {
  if (typeof peer !== 'string' || peer.length > TEXT_MAX) {
    throw new InvalidParametersError('a peer must be a PeerId as text')
  }
  try {
    const parsed = peerIdFromString(peer)
    if (parsed.toString() === peer) {
      return parsed
    }
  } catch (error) {
    throw new InvalidParametersError(`not a PeerId: ${peer}`, { cause: error })
  }
  throw new InvalidParametersError(`not in the canonical spelling of a PeerId: ${peer}`)
}

/**
 * The addresses that can be used to dial `peer`, each ending in its id. Addresses come from other
 * peers: one that does not parse or names somebody else is left out and logged.
 */
export function usableTargets(
  peer: string,
  addresses: readonly string[],
  log: Logger
): Multiaddr[] {
  return addresses.slice(0, ADDRESSES_MAX).flatMap((address) => {
    const target = targetOf(peer, address)
    if (target === undefined) {
      log('address of %s left out, not usable for it: %s', peer, address)
    }
    return target ?? []
  })
}

function targetOf(peer: string, address: unknown): Multiaddr | undefined {
  const parsed = parseAddress(address)
  const last = parsed?.getComponents().at(-1)
  if (parsed === undefined || last === undefined) {
    return undefined
  }
  if (last.name !== 'p2p') {
    return parsed.encapsulate(`/p2p/${peer}`)
  }
  return last.value === peer ? parsed : undefined
}

/** The PeerId text at the end of an address, if there is one. */
export function peerOf(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

/** Undefined for what is no multiaddr. */
export function parseAddress(address: unknown): Multiaddr | undefined {
  if (typeof address !== 'string' || address.length > ADDRESS_LENGTH_MAX) {
    return undefined
  }
  try {
    return multiaddr(address)
  } catch {
    // The parser has no test without an exception; the caller says what was wrong with which text.
    return undefined
  }
}
