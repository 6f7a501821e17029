import { InvalidParametersError } from '@murmuration/interface'
import type { Clock, DiscoveryStrategy, Random } from '@murmuration/interface'
import type { StrategyFactory } from './components.ts'
import type { KeeperSettings } from './core/keeper.ts'
import {
  ADDRESSES_MAX,
  ASK_TIMEOUT_MS,
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  CONNECT_TIMEOUT_MS,
  DIAL_TIMEOUT_MS,
  FIRST_GRACE_MS,
  FOUND_CONNECTIONS_MAX,
  FOUND_PEERS_MAX,
  GRACE_MS,
  HINT_DIAL_INTERVAL_MS,
  PARALLEL_DIALS_MAX,
  PARALLEL_DIALS_START,
  PROBE_TIMEOUT_MS,
  SETTLE_MS,
  SLOW_HANDSHAKE_MS,
  STABLE_MS
} from './defaults.ts'

/** Options of discovery. The defaults fit a cluster of 1 to 100 peers on a LAN. */
export interface DiscoveryInit {
  /** How to find peers. @default none: only peers given to `keep` and `connect` are dialled */
  readonly strategies?: readonly (DiscoveryStrategy | StrategyFactory)[]
  /** First ceiling of the back-off between dials of a peer, in ms. @default 100 */
  readonly backoffBaseMs?: number
  /** Highest ceiling of the back-off, in ms. @default 10000 */
  readonly backoffMaxMs?: number
  /** How long the higher peer leaves a redial to the lower one, in ms. @default 3000 */
  readonly graceMs?: number
  /** The same for a peer it has not met yet, in ms. @default 500 */
  readonly firstGraceMs?: number
  /** How long a second connection to a peer is left open, in ms; at least 1000. @default 1500 */
  readonly settleMs?: number
  /** Longest time for one dial, in ms. @default 20000 */
  readonly dialTimeoutMs?: number
  /** Deadline of `connect` without a signal, in ms. @default 10000 */
  readonly connectTimeoutMs?: number
  /** Deadline of `probe`, in ms. @default 1000 */
  readonly probeTimeoutMs?: number
  /** Time for each peer that is asked for its actions, in ms. @default 1000 */
  readonly askTimeoutMs?: number
  /** Dials of kept peers at once; fewer while handshakes are slow. @default 32 */
  readonly parallelDialsMax?: number
  /** Peers remembered from hints. @default 10000 */
  readonly foundPeersMax?: number
  /** Found peers are dialled while fewer than this are connected; 0: never. @default 64 */
  readonly foundConnectionsMax?: number
  /** Time, for tests. @default the system's */
  readonly clock?: Clock
  /** Randomness, for tests. @default the system's */
  readonly random?: Random
}

/** Checked options. */
export interface Settings {
  readonly keeper: KeeperSettings
  readonly strategies: readonly (DiscoveryStrategy | StrategyFactory)[]
  readonly dialTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly probeTimeoutMs: number
  readonly askTimeoutMs: number
}

/** Fills in defaults; `InvalidParametersError` names the option that is wrong. */
export function settingsOf(init: DiscoveryInit): Settings {
  return {
    keeper: {
      backoffBaseMs: number('backoffBaseMs', init.backoffBaseMs ?? BACKOFF_BASE_MS, 1),
      backoffMaxMs: number('backoffMaxMs', init.backoffMaxMs ?? BACKOFF_MAX_MS, 1),
      graceMs: number('graceMs', init.graceMs ?? GRACE_MS, 0),
      firstGraceMs: number('firstGraceMs', init.firstGraceMs ?? FIRST_GRACE_MS, 0),
      settleMs: number('settleMs', init.settleMs ?? SETTLE_MS, 1_000),
      stableMs: STABLE_MS,
      hintDialIntervalMs: HINT_DIAL_INTERVAL_MS,
      parallelDialsStart: PARALLEL_DIALS_START,
      slowHandshakeMs: SLOW_HANDSHAKE_MS,
      parallelDialsMax: count('parallelDialsMax', init.parallelDialsMax ?? PARALLEL_DIALS_MAX, 1),
      foundPeersMax: count('foundPeersMax', init.foundPeersMax ?? FOUND_PEERS_MAX, 1),
      foundConnectionsMax: count(
        'foundConnectionsMax',
        init.foundConnectionsMax ?? FOUND_CONNECTIONS_MAX,
        0
      ),
      addressesMax: ADDRESSES_MAX
    },
    strategies: init.strategies ?? [],
    dialTimeoutMs: number('dialTimeoutMs', init.dialTimeoutMs ?? DIAL_TIMEOUT_MS, 1),
    connectTimeoutMs: number('connectTimeoutMs', init.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, 1),
    probeTimeoutMs: number('probeTimeoutMs', init.probeTimeoutMs ?? PROBE_TIMEOUT_MS, 1),
    askTimeoutMs: number('askTimeoutMs', init.askTimeoutMs ?? ASK_TIMEOUT_MS, 1)
  }
}

/** A day is more than any of these times can sensibly be, and far below what timers overflow at. */
const DAY_MS = 86_400_000

/** A time in milliseconds of at least `min` and at most a day. */
export function number(name: string, value: number, min: number): number {
  if (!Number.isFinite(value) || value < min || value > DAY_MS) {
    throw new InvalidParametersError(`${name} must be ${min} to ${DAY_MS} ms, got ${value}`)
  }
  return value
}

function count(name: string, value: number, min: number): number {
  if (!Number.isSafeInteger(value) || value < min) {
    throw new InvalidParametersError(`${name} must be an integer of at least ${min}, got ${value}`)
  }
  return value
}
