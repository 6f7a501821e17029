/**
 * Who owns which agent, asked from anywhere.
 *
 * The owner of an agent is the first replica of its slot in the agreed view, so a member computes
 * it without asking anybody; what it asks the owner is only whether the agent exists.
 *
 * @packageDocumentation
 */
import type {
  AgentRecord,
  Clock,
  Epoch,
  LogSink,
  Membership,
  Registry,
  Rpc,
  Signals
} from '@murmuration/interface'
import type { AbortOptions } from '@libp2p/interface'
import type { Placement } from '@murmuration/placement'
import { PlacementRegistry } from './registry.ts'

export { compilePattern } from './core/pattern.ts'
export { defaults } from './defaults.ts'

/** What the registry needs from the layer that runs agents on this peer. */
export interface Tenure {
  /** Starts the agent here, as its owner; rejects with `NotOwnerError` or `UnavailableError`. */
  begin(agent: AgentRecord, options?: AbortOptions): Promise<Epoch>
  /** Stops the agent here; false if it did not run. */
  end(id: string): Promise<boolean>
  /** The epoch under which the agent runs here; undefined if it does not. */
  running(id: string): Epoch | undefined
  /** Whether this peer holds a copy of the agent's state. */
  held(id: string): boolean
}

export interface RegistryComponents {
  readonly rpc: Rpc
  readonly membership: Membership
  /** The placement of the current view; undefined before the first view. */
  readonly placement: () => Placement | undefined
  readonly tenure: Tenure
  readonly clock: Clock
  /** Carries changes to watchers on other peers. Without it `watch` sees this peer's changes. */
  readonly signals?: Signals | undefined
  readonly log?: LogSink | undefined
}

export interface RegistryInit {
  /** How an agent is placed, by its id; types know. @default hashed, 3 replicas */
  readonly recordOf?: (id: string) => AgentRecord
  /** @default 100000 */
  readonly locationsMax?: number
  /** @default 2000 */
  readonly questionTimeoutMs?: number
}

/** Makes the registry of one peer. */
export function createRegistry(components: RegistryComponents, init: RegistryInit = {}): Registry {
  return new PlacementRegistry(components, init)
}
