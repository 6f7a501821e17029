import type { AbortOptions } from '@libp2p/interface'

/**
 * `alive`: the peer answered. `refused`: every address it is known by refused the connection, so
 * its process is gone. `unknown`: anything else, such as silence.
 */
export type ProbeResult = 'alive' | 'refused' | 'unknown'

/** Tells a stopped process from a silent one. */
export interface Prober {
  /**
   * Looks once, now, and never redials: over an open connection, else by one dial. Takes at most
   * `probeTimeoutMs` (default 1 s), after which the answer is `unknown`, as it is when the signal
   * fires. `refused` is only said of addresses given to `keep()`, where that named any.
   */
  probe(peer: string, options?: AbortOptions): Promise<ProbeResult>
}
