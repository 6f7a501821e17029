/**
 * Guards calls to agents on other peers: a circuit breaker and a bulkhead for each peer and each
 * agent, and a budget for repetitions of what was shed.
 */
export interface CallGuard {
  /**
   * Makes the call unless the circuit of the peer or the agent is open (`PeerUnavailableError`, at
   * once) or too many are under way there (`OverloadedError`, at once).
   */
  run<T>(peer: string, agent: string, call: () => Promise<T>): Promise<T>
  /** Whether an error came from an open circuit: then there is no use in trying again soon. */
  isOpenCircuit(error: unknown): boolean
  /** Takes one repetition of a shed call from the budget, if there is one left. */
  mayRepeat(): boolean
}
