import type {
  Clock,
  PublishOptions,
  PublishResult,
  Signal,
  SignalHandler,
  SignalInput,
  SubscribeOptions,
  Subscription
} from '@murmuration/interface'
import { AbortedError, InvalidParametersError, NotStartedError } from '@murmuration/interface'
import { systemClock, systemRandom } from '@murmuration/system'
import { BatchSeal } from './batches.ts'
import { ClusterRoute } from './cluster-route.ts'
import type { SignalBus, SignalsComponents, SignalsInit } from './components.ts'
import { Dispatcher } from './core/dispatcher.ts'
import { completeSignal } from './core/event.ts'
import type { Completion } from './core/event.ts'
import { checkCluster, typeSegments } from './core/pattern.ts'
import { checkRoute, DefaultRoutes } from './core/routes.ts'
import { createIds } from './core/uuid.ts'
import { encodeSignal } from './core/wire.ts'
import { Counters } from './counters.ts'
import type { SignalCounters } from './counters.ts'
import * as defaults from './defaults.ts'
import { Publisher } from './publisher.ts'
import { systemDefer } from './system-defer.ts'
import { TargetedRoute } from './targeted-route.ts'

/**
 * Makes a signal bus. Use it to put the parts together yourself; as a service of libp2p take
 * {@link signals}. Subscriptions may be made before `start`; `stop` ends them. Throws
 * `InvalidParametersError`.
 */
export function createSignals(components: SignalsComponents, init: SignalsInit = {}): SignalBus {
  return new LocalSignals(components, init)
}

class LocalSignals implements SignalBus {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #dispatcher: Dispatcher
  readonly #routes: DefaultRoutes
  readonly #fill: Completion
  readonly #publisher: Publisher
  readonly #cluster: ClusterRoute | undefined
  readonly #targeted: TargetedRoute | undefined
  #started = false
  #stop = new AbortController()

  constructor(components: SignalsComponents, init: SignalsInit) {
    const cluster = checkCluster(init.cluster ?? defaults.clusterDefault)
    const { gossip, peer, random = systemRandom, rpc } = components
    const log = components.logger?.forComponent('murmuration:signals')
    const report = (what: string, error: unknown): void => log?.error('%s - %e', what, error)
    this.#clock = components.clock ?? systemClock
    this.#counters = new Counters(components.metrics)
    this.#routes = new DefaultRoutes(init.routes ?? {})
    this.#fill = {
      id: createIds(this.#clock, random),
      time: () => new Date(this.#clock.now()).toISOString(),
      source: init.source ?? `/p2p/${peer}`
    }
    this.#dispatcher = new Dispatcher({
      topic: (number, wanted) => this.#cluster?.want(number, wanted),
      delivered: () => this.#counters.count('delivered'),
      dropped: () => this.#counters.count('queue-full'),
      failed: (pattern, error) => {
        this.#counters.count('handler-error')
        report(`the subscription to ${pattern} failed`, error)
      }
    })
    const shared = {
      cluster,
      clock: this.#clock,
      counters: this.#counters,
      dispatcher: this.#dispatcher,
      defer: components.defer ?? systemDefer,
      report,
      stopped: () => this.#stop.signal
    }
    if (gossip !== undefined || rpc !== undefined) {
      const seal = newSeal(components, cluster, this.#clock)
      this.#cluster =
        gossip &&
        new ClusterRoute({
          ...shared,
          self: peer,
          gossip,
          seal,
          random,
          reconnect: components.reconnect
        })
      this.#targeted = rpc && new TargetedRoute({ ...shared, rpc, seal })
    }
    this.#publisher = new Publisher({
      self: peer,
      clock: this.#clock,
      dispatcher: this.#dispatcher,
      sender: this.#cluster?.sender,
      targeted: this.#targeted,
      ownerOf: components.ownerOf
    })
  }
  async start(): Promise<void> {
    if (this.#started) {
      return
    }
    this.#stop = new AbortController()
    this.#targeted?.start()
    this.#cluster?.start()
    this.#started = true
  }

  async stop(): Promise<void> {
    if (!this.#started) {
      return
    }
    this.#started = false
    this.#stop.abort()
    this.#targeted?.stop()
    this.#cluster?.stop()
    this.#dispatcher.closeAll()
  }

  counters(): SignalCounters {
    return this.#counters.snapshot()
  }

  subscribe(pattern: string, handler: SignalHandler, options: SubscribeOptions = {}): Subscription {
    return this.#dispatcher.subscribe(pattern, handler, options)
  }

  iterate(pattern: string, options: SubscribeOptions = {}): AsyncIterable<Signal> {
    return this.#dispatcher.iterate(pattern, options)
  }

  async publish<T>(input: SignalInput<T>, options: PublishOptions = {}): Promise<PublishResult> {
    const timeoutMs = options.timeoutMs ?? defaults.publishTimeoutMsDefault
    if (!(timeoutMs > 0 && timeoutMs <= defaults.publishTimeoutMsMax)) {
      throw new InvalidParametersError(
        `timeoutMs must be above 0 and at most ${defaults.publishTimeoutMsMax}`
      )
    }
    if (!this.#started) {
      throw new NotStartedError('the signal bus is not started')
    }
    if (options.signal?.aborted === true) {
      throw new AbortedError('publishing was aborted before it began')
    }
    const signal = completeSignal(input, this.#fill)
    const segments = typeSegments(signal.type)
    const route =
      options.route === undefined ? this.#routes.of(segments) : checkRoute(options.route)
    const bytes = encodeSignal(signal)
    this.#counters.count('published')
    const result = await this.#publisher.send(
      { id: signal.id, segments, bytes, timeoutMs, signal: options.signal },
      route
    )
    this.#counters.count('unreached', result.dropped.length)
    return result
  }
}

function newSeal(components: SignalsComponents, cluster: string, clock: Clock): BatchSeal {
  const { boot, members, signer } = components
  if (signer === undefined) {
    throw new InvalidParametersError('signer is needed with gossip or rpc')
  }
  return new BatchSeal({ signer, cluster, boot: boot ?? Math.trunc(clock.now()), members })
}
