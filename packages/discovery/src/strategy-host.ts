import type { Clock, Random, Rpc } from '@murmuration/interface'
import type { Libp2pParts, StrategyComponents } from './components.ts'
import { parsePeer } from './targets.ts'

/** What strategies get to work with. */
export function strategyHost(
  parts: {
    readonly libp2p: Libp2pParts
    readonly rpc: () => Rpc
    readonly clock: Clock
    readonly random: Random
  },
  reach: Pick<StrategyComponents, 'connected' | 'dial'>
): StrategyComponents {
  const { libp2p, rpc, clock, random } = parts
  return {
    ...reach,
    peer: libp2p.peerId.toString(),
    clock,
    random,
    logger: libp2p.logger,
    addressManager: libp2p.addressManager,
    rpc,
    peerRecord: async (peer) => {
      try {
        const { peerRecordEnvelope } = await libp2p.peerStore.get(parsePeer(peer))
        return peerRecordEnvelope
      } catch (error) {
        if (error instanceof Error && error.name === 'NotFoundError') {
          return undefined
        }
        throw error
      }
    }
  }
}
