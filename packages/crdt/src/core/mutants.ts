/**
 * Deliberate mistakes, each of which breaks one rule. Tests turn them on one at a time to show that
 * the simulation would notice. Never set outside of tests; not part of the public interface.
 */
export interface Mutants {
  /** A removal is forgotten when what it removes has not arrived yet. */
  forgetsEarlyRemovals: boolean
  /** Merging keeps every write of both sides, also those that the other side has seen and removed. */
  mergesBlindly: boolean
  /** A counter that receives an increment twice counts it twice. */
  countsTwice: boolean
  /** Deltas from below the floor are taken in, although their writers are not known any more. */
  ignoresFloor: boolean
  /** A replica collects although something of a writer is missing or lives in its copy. */
  collectsUnchecked: boolean
  /** Ties of stamps go to what arrived last, instead of to the higher writer. */
  tiesByArrival: boolean
}

export const mutants: Mutants = {
  forgetsEarlyRemovals: false,
  mergesBlindly: false,
  countsTwice: false,
  ignoresFloor: false,
  collectsUnchecked: false,
  tiesByArrival: false
}
