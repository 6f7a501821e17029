/**
 * Replicated, durable documents of agents, and nothing else.
 *
 * @packageDocumentation
 */
import type { State, StateComponents, StateInit } from './contract.ts'
import { StateService } from './state.ts'

export type {
  BranchedDocument,
  Commit,
  CommitOptions,
  DocumentReading,
  Lookup,
  OwnedDocument,
  EdgeSeat,
  OwnerLeases,
  ReadOptions,
  State,
  StateComponents,
  StateEvents,
  StateInit,
  StateStats,
  StrongChange,
  StrongOptions,
  StrongReadOptions,
  StrongReading,
  StrongResult,
  StrongState
} from './contract.ts'

export { lastingSessionPrefix } from './core/sessions.ts'
export { refuseForgotten } from './admitting.ts'
export { includesVersion } from './core/versions.ts'

/**
 * Makes the service that keeps the documents of a peer: those that it owns, and its copies of
 * others. Start it after its components, once for each peer.
 */
export function createState(components: StateComponents, init: StateInit = {}): State {
  return new StateService(components, init, {})
}
