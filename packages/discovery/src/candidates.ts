import type { SelectOptions } from '@murmuration/interface'
import type { Capabilities } from './capabilities.ts'
import type { CapabilityWatch } from './capability-watch.ts'
import { capablePeers } from './core/offers.ts'
import type { PeerOffer } from './core/offers.ts'
import { SELECT_PATIENCE_MS } from './defaults.ts'

/** Who knows what peers offer. */
interface Sources {
  /** PeerId (text) of this peer. */
  readonly self: string
  readonly capabilities: Capabilities
  readonly watch: CapabilityWatch
}

/** The peers to choose one from, this one included. */
export async function candidatesAmong(
  connected: readonly string[],
  { self, capabilities, watch }: Sources,
  options: SelectOptions,
  timeoutMs: number,
  signal: AbortSignal
): Promise<readonly string[]> {
  const among = options.among === undefined ? undefined : new Set(options.among)
  const peers = connected.filter((peer) => among?.has(peer) ?? true)
  const capableOf = (offers: readonly PeerOffer[]): readonly string[] => {
    const all = offers.filter(({ peer }) => among?.has(peer) ?? true)
    return capablePeers(all, options.actions ?? [], options.labels ?? {})
  }
  const known = peers.flatMap((peer): PeerOffer[] => {
    const offer = watch.offerOf(peer)
    return offer === undefined ? [] : [offer]
  })
  const capable = capableOf([capabilities.own, ...known])
  if (capable.some((peer) => peer !== self)) {
    return capable
  }
  // Peers tell of changes, so only those that nothing is known of yet are asked, and one of them that
  // is silent does not hold up this peer where it is capable itself.
  const unknown = peers.filter((peer) => watch.offerOf(peer) === undefined)
  const waitMs = capable.length === 0 ? timeoutMs : Math.min(timeoutMs, SELECT_PATIENCE_MS)
  const { offers } = await capabilities.ask(unknown, waitMs, signal)
  return capableOf([...known, ...offers])
}
