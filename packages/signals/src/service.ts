import { serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import type { ComponentLogger, Connection, Metrics, PeerId, PrivateKey } from '@libp2p/interface'
import type { GossipSub } from '@libp2p/gossipsub'
import type { Rpc } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import type { SignalBus, SignalsComponents, SignalsInit } from './components.ts'
import { gossipsubGossip } from './gossipsub.ts'
import { createSignalSigner } from './signer.ts'
import { createSignals } from './signals.ts'

/** What the service takes from libp2p; all of it is there in a libp2p node. */
export interface SignalsServiceComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly metrics?: Metrics | undefined
  readonly connectionManager: SignalsConnectionManager
}

/** The part of libp2p's connection manager that is used. */
export interface SignalsConnectionManager {
  getConnections(peer?: PeerId): Connection[]
}

/** Options of the libp2p service. */
export interface SignalsServiceInit
  extends
    SignalsInit,
    Pick<
      SignalsComponents,
      'authors' | 'boot' | 'members' | 'view' | 'ownerOf' | 'store' | 'clock' | 'random'
    > {
  /** Name of the gossipsub service, listed before this one. @default 'pubsub' */
  readonly pubsub?: string
  /** Name of the `@murmuration/rpc` service, listed before this one, if there is one. @default 'rpc' */
  readonly rpc?: string
}

/**
 * The signal bus as a service of libp2p. Without a pubsub service signals stay on this peer; with
 * an rpc service the routes `targeted` and `shard` work too.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({
 *   services: { identify: identify(), pubsub: gossipsub(gossipDefaults), signals: signals() }
 * })
 * node.services.signals.subscribe('order.*', (signal) => console.log(signal.data))
 * await node.services.signals.publish({ type: 'order.created', data: { id: 7 } })
 * ```
 */
export function signals(
  init: SignalsServiceInit = {}
): (components: SignalsServiceComponents) => SignalBus {
  return (components) => {
    const { connectionManager, logger, metrics, peerId, privateKey } = components
    const clock = init.clock ?? systemClock
    const pubsub = named(components, init.pubsub ?? 'pubsub', isGossipSub)
    const bus = createSignals(
      {
        peer: peerId.toString(),
        signer: createSignalSigner({ privateKey, clock }),
        gossip:
          pubsub &&
          gossipsubGossip({
            pubsub,
            connections: (peer) => connectionManager.getConnections(peer),
            clock
          }),
        rpc: named(components, init.rpc ?? 'rpc', isRpc),
        boot: init.boot,
        members: init.members,
        authors: init.authors,
        view: init.view,
        store: init.store,
        ownerOf: init.ownerOf,
        clock,
        random: init.random,
        logger,
        metrics
      },
      init
    )
    return {
      [Symbol.toStringTag]: '@murmuration/signals',
      [serviceCapabilities]: ['@murmuration/signals'],
      [serviceDependencies]: pubsub === undefined ? [] : ['@libp2p/pubsub'],
      // Topics can be joined only once gossipsub has started, and left only before it stops.
      start: () => undefined,
      afterStart: () => bus.start(),
      beforeStop: () => bus.stop(),
      stop: () => undefined,
      publish: (signal, options) => bus.publish(signal, options),
      subscribe: (pattern, handler, options) => bus.subscribe(pattern, handler, options),
      iterate: (pattern, options) => bus.iterate(pattern, options),
      subscribeDurably: (pattern, handler, options) =>
        bus.subscribeDurably(pattern, handler, options),
      replay: (options) => bus.replay(options),
      snapshot: (pattern) => bus.snapshot(pattern),
      causes: (id) => bus.causes(id),
      effects: (id) => bus.effects(id),
      deadLetters: bus.deadLetters,
      events: bus.events,
      counters: () => bus.counters()
    } satisfies LifecycleBus
  }
}

interface LifecycleBus extends SignalBus {
  readonly [Symbol.toStringTag]: string
  readonly [serviceCapabilities]: string[]
  readonly [serviceDependencies]: string[]
  afterStart(): Promise<void> | void
  beforeStop(): Promise<void> | void
}

/** Another service of the node by its name; undefined where there is none, or not this kind. */
function named<T>(
  components: object,
  name: string,
  is: (service: unknown) => service is T
): T | undefined {
  let service: unknown
  try {
    service = Reflect.get(components, name)
  } catch {
    // libp2p throws where a service is missing, and here both are optional.
    return undefined
  }
  return is(service) ? service : undefined
}

function isGossipSub(service: unknown): service is GossipSub {
  return has(service, 'getSubscribers') && has(service, 'topicValidators')
}

function isRpc(service: unknown): service is Rpc {
  return has(service, 'handleStream') && has(service, 'call')
}

function has(service: unknown, name: string): boolean {
  return typeof service === 'object' && service !== null && name in service
}
