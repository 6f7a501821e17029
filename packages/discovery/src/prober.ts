import type { AbortOptions } from '@libp2p/interface'

/**
 * `alive`: the peer answered. `refused`: every address it is known by refused the connection, so
 * its process is gone. `unknown`: anything else, such as silence.
 */
export type ProbeResult = 'alive' | 'refused' | 'unknown'

/** Tells a stopped process from a silent one. */
export interface Prober {
  /**
   * Looks now: over an open connection, else by dialling, again if need be, for at most
   * `probeTimeoutMs` (default 1 s). Then, and when the signal fires, the answer is `unknown`. Of a
   * kept peer `refused` is only said by the addresses given to `keep()`, never by hints.
   */
  probe(peer: string, options?: AbortOptions): Promise<ProbeResult>
}
