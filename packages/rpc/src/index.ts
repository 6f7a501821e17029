/**
 * Remote calls between libp2p peers over one long-lived stream.
 *
 * @packageDocumentation
 */
import { serviceCapabilities } from '@libp2p/interface'
import type { ComponentLogger, Metrics, PeerId } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import type { Clock, Rpc } from '@murmuration/interface'
import { Deadlines } from './core/deadlines.ts'
import { checkLimits } from './core/limits.ts'
import type { LimitOptions } from './core/limits.ts'
import { Methods } from './core/methods.ts'
import { RunQueue } from './core/run-queue.ts'
import { defaults, fixed } from './defaults.ts'
import { endOfTurn } from './end-of-turn.ts'
import { Inbound } from './inbound.ts'
import { Leaving } from './leaving.ts'
import { Loopback } from './loopback.ts'
import { registerMetrics } from './metrics.ts'
import { nextTurn } from './next-turn.ts'
import { Outbound } from './outbound.ts'
import type { RpcConnectionManager } from './outbound.ts'
import type { RpcRegistrar } from './registrar.ts'
import { RpcService } from './rpc-service.ts'

export { defaults } from './defaults.ts'
export { UnsupportedVersionError } from './errors.ts'
export { joinedFrames } from './joined-frames.ts'
export { sparingWindowUpdates } from './window-updates.ts'
export type { LimitOptions } from './core/limits.ts'
export type { RpcConnectionManager } from './outbound.ts'
export type { RpcRegistrar } from './registrar.ts'
export type {
  CallOptions,
  Rpc,
  RpcContext,
  RpcHandler,
  RpcHandlerOptions,
  RpcStreamHandler
} from '@murmuration/interface'
import { systemClock } from '@murmuration/system'

/** Options of `rpc`; the bounds are explained at `defaults`. */
export interface RpcInit extends LimitOptions {
  /**
   * Cluster name, part of the protocol id: letters, digits, `.`, `_` and `-`, at most 64.
   *
   * @default 'default'
   */
  readonly cluster?: string

  /**
   * Whether to open a stream to each peer that connects and speaks the protocol, so that its first
   * call does not wait for one. Needs libp2p's `identify`.
   *
   * @default true
   */
  readonly openAhead?: boolean

  /**
   * Whether a peer (PeerId as text) may use a method; others are answered `NotPermittedError`. Asked
   * for each request, so it has to be quick. Calls to oneself are not asked about.
   *
   * @default every connected peer may use every method
   */
  readonly authorize?: (peer: string, method: string) => boolean
}

/** What `rpc` needs; libp2p passes these to its services. */
export interface RpcComponents {
  readonly peerId: PeerId
  readonly registrar: RpcRegistrar
  readonly connectionManager: RpcConnectionManager
  readonly logger: ComponentLogger
  readonly metrics?: Metrics
  /** @default the clock of the machine */
  readonly clock?: Clock
}

/** Options of `createLocalRpc`. */
export interface LocalRpcInit extends LimitOptions {
  /** PeerId (text) of this peer. */
  readonly peer: string
  /** @default the clock of the machine */
  readonly clock?: Clock
}

/**
 * Remote calls as a libp2p service.
 *
 * @throws InvalidParametersError if an option is out of range.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({ services: { identify: identify(), rpc: rpc() } })
 * node.services.rpc.handle('greet', (request) => request)
 * const reply = await node.services.rpc.call(peer, 'greet', request, { timeoutMs: 1_000 })
 * ```
 */
export function rpc(init: RpcInit = {}): (components: RpcComponents) => Rpc {
  const limits = checkLimits(init)
  const protocol = protocolOf(init.cluster ?? defaults.cluster)
  return (components) => {
    const { registrar, connectionManager } = components
    const log = components.logger.forComponent('murmuration:rpc')
    // libp2p's components throw when one is read that was not given.
    const clock = Object.hasOwn(components, 'clock') ? components.clock : undefined
    const deadlines = new Deadlines(clock ?? systemClock)
    const methods = new Methods(limits.concurrencyMax)
    const peer = components.peerId.toString()
    const shared = { limits, methods, deadlines, defer: endOfTurn, log }
    const now = (): number => (clock ?? systemClock).monotonic()
    const { sliceMs, startsStart, startsMax } = fixed
    const runs = new RunQueue({ now, nextTurn, sliceMs, startsStart, startsMax })
    const leaving = new Leaving({ protocol, connectionManager, clock: clock ?? systemClock })
    const inbound = new Inbound({ ...shared, runs, leaving, authorize: init.authorize })
    const observer =
      components.metrics &&
      registerMetrics(components.metrics, {
        callsInFlight: () => outbound.inFlight,
        requestsInFlight: () => inbound.inFlight
      })
    const outbound = new Outbound({
      ...shared,
      protocol,
      connectionManager,
      clock: clock ?? systemClock,
      leaving,
      observer
    })
    const service = new RpcService({
      peer,
      limits,
      methods,
      observer,
      createLoopback: () => new Loopback({ ...shared, peer, observer, load: { running: 0 } }),
      network: {
        protocol,
        registrar,
        openAhead: init.openAhead ?? true,
        outbound,
        inbound,
        leaving
      }
    })
    // Other services may name this capability as a dependency.
    return Object.assign(service, { [serviceCapabilities]: ['@murmuration/rpc'] })
  }
}

/**
 * An `Rpc` without a network: calls to the own peer run as with `rpc`, calls to others fail with
 * `PeerUnavailableError`. For single-peer programs and tests. Needs no `start`.
 *
 * @throws InvalidParametersError if an option is out of range.
 */
export function createLocalRpc(init: LocalRpcInit): Rpc {
  const limits = checkLimits(init)
  const { peer } = init
  const methods = new Methods(limits.concurrencyMax)
  const deadlines = new Deadlines(init.clock ?? systemClock)
  const load = { running: 0 }
  return new RpcService({
    peer,
    limits,
    methods,
    createLoopback: () => new Loopback({ peer, methods, load, deadlines, limits, defer: endOfTurn })
  })
}

function protocolOf(cluster: string): string {
  if (!/^[\w.-]{1,64}$/.test(cluster)) {
    throw new InvalidParametersError(
      `cluster must be 1 to 64 letters, digits, ".", "_" or "-", got ${JSON.stringify(cluster)}`
    )
  }
  return `/murmuration/${cluster}/rpc/1.0.0`
}
