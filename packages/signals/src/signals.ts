import type {
  Cause,
  DeadLetters,
  DurableSubscribeOptions,
  DurableSubscription,
  LoggedSignal,
  PublishOptions,
  PublishResult,
  ReplayOptions,
  Signal,
  SignalEvents,
  SignalHandler,
  SignalInput,
  SubscribeOptions,
  Subscription
} from '@murmuration/interface'
import { AbortedError, InvalidParametersError, NotStartedError } from '@murmuration/interface'
import type { TypedEventTarget } from 'main-event'
import { nextBoot } from './boot.ts'
import type { SignalBus, SignalsComponents, SignalsInit } from './components.ts'
import { completeSignal } from './core/event.ts'
import type { Completion } from './core/event.ts'
import type { Mutants } from './core/mutants.ts'
import { patternSegments, typeSegments } from './core/pattern.ts'
import { checkRoute, DefaultRoutes } from './core/routes.ts'
import { createIds } from './core/uuid.ts'
import { encodeSignal } from './core/wire.ts'
import type { SignalCounters } from './counters.ts'
import { checkFrom, checkPlace } from './cursors.ts'
import * as defaults from './defaults.ts'
import { groundOf } from './ground.ts'
import type { Ground } from './ground.ts'
import { assemble } from './parts.ts'
import type { Parts } from './parts.ts'
import { Publisher } from './publisher.ts'
import { Redrive } from './redrive.ts'

/**
 * Makes a signal bus. Use it to put the parts together yourself; as a service of libp2p take
 * {@link signals}. Subscriptions may be made before `start`; `stop` ends them. Throws
 * `InvalidParametersError`.
 */
export function createSignals(components: SignalsComponents, init: SignalsInit = {}): SignalBus {
  return new LocalSignals(components, init, {})
}

/** The same with deliberate mistakes, for the tests of this package. */
export function createMutatedSignals(
  components: SignalsComponents,
  init: SignalsInit,
  mutants: Mutants
): SignalBus {
  return new LocalSignals(components, init, mutants)
}

class LocalSignals implements SignalBus {
  readonly deadLetters: DeadLetters
  readonly #ground: Ground
  readonly #parts: Parts
  readonly #routes: DefaultRoutes
  readonly #fill: Completion
  readonly #publisher: Publisher
  readonly #givenBoot: number | undefined
  readonly #loaded = Promise.withResolvers<void>()
  #boot: number | undefined
  #starting: Promise<void> | undefined
  #started = false
  #stop = new AbortController()

  constructor(components: SignalsComponents, init: SignalsInit, mutants: Mutants) {
    this.#givenBoot = components.boot
    this.#ground = groundOf(components, init, mutants, {
      stopped: () => this.#stop.signal,
      boot: () => this.#boot ?? 0,
      loaded: this.#loaded.promise
    })
    const { clock, random, self } = this.#ground
    this.#routes = new DefaultRoutes(init.routes ?? {})
    this.#fill = {
      id: createIds(clock, random),
      time: () => new Date(clock.now()).toISOString(),
      source: init.source ?? `/p2p/${self}`
    }
    this.#parts = assemble(this.#ground, components)
    this.#publisher = new Publisher({
      ...this.#ground,
      ...this.#parts,
      sender: this.#parts.cluster?.sender,
      ownerOf: components.ownerOf
    })
    this.deadLetters = new Redrive({
      ...this.#ground,
      ...this.#parts,
      publish: (signal, options) => this.publish(signal, options)
    })
  }

  get events(): TypedEventTarget<SignalEvents> {
    return this.#ground.events.target
  }

  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async stop(): Promise<void> {
    await this.#starting?.catch(() => undefined)
    if (!this.#started) {
      return
    }
    this.#started = false
    this.#starting = undefined
    const { cluster, dispatcher, durable, exchanges, intake, orders, progress } = this.#parts
    durable.stop()
    exchanges?.stop()
    this.#stop.abort()
    this.#parts.serving?.stop()
    this.#parts.targeted.stop()
    cluster?.stop()
    intake.stop()
    await orders.stop()
    dispatcher.closeAll()
    progress.settle()
    await progress.flush()
  }

  counters(): SignalCounters {
    return this.#ground.counters.snapshot()
  }

  subscribe(pattern: string, handler: SignalHandler, options: SubscribeOptions = {}): Subscription {
    this.#checkFrom(options)
    return this.#parts.dispatcher.subscribe(pattern, handler, options)
  }

  iterate(pattern: string, options: SubscribeOptions = {}): AsyncIterable<Signal> {
    this.#checkFrom(options)
    return this.#parts.dispatcher.iterate(pattern, options)
  }

  async subscribeDurably(
    pattern: string,
    handler: SignalHandler,
    options: DurableSubscribeOptions
  ): Promise<DurableSubscription> {
    this.#checkStarted()
    return await this.#parts.durable.subscribe(pattern, handler, options)
  }

  replay(options?: ReplayOptions): AsyncIterable<LoggedSignal> {
    return this.#parts.history.replay(options)
  }

  async snapshot(pattern = '**'): Promise<readonly LoggedSignal[]> {
    return await this.#parts.snapshots.list(patternSegments(pattern))
  }

  causes(id: string): Promise<readonly Cause[]> {
    return this.#parts.history.causes(id)
  }

  effects(id: string): Promise<readonly Signal[]> {
    return this.#parts.history.effects(id)
  }

  async publish<T>(input: SignalInput<T>, options: PublishOptions = {}): Promise<PublishResult> {
    const { delivery = 'at-most-once', timeoutMs = defaults.publishTimeoutMsDefault } = options
    if (!(timeoutMs > 0 && timeoutMs <= defaults.publishTimeoutMsMax)) {
      throw new InvalidParametersError(
        `timeoutMs must be above 0 and at most ${defaults.publishTimeoutMsMax}`
      )
    }
    if (delivery !== 'at-most-once' && delivery !== 'at-least-once') {
      throw new InvalidParametersError("delivery must be 'at-most-once' or 'at-least-once'")
    }
    this.#checkStarted()
    if (options.signal?.aborted === true) {
      throw new AbortedError('publishing was aborted before it began')
    }
    const signal = completeSignal(input, this.#fill)
    const segments = typeSegments(signal.type)
    const route =
      options.route === undefined ? this.#routes.of(segments) : checkRoute(options.route)
    const bytes = encodeSignal(signal)
    const { counters } = this.#ground
    counters.count('published')
    const durable = delivery === 'at-least-once'
    const subject = signal.subject !== undefined
    const { id, type } = signal
    const publication = { id, type, segments, bytes, durable, subject, timeoutMs }
    const result = await this.#publisher.send({ ...publication, signal: options.signal }, route)
    counters.count('unreached', result.dropped.length)
    return result
  }

  async #start(): Promise<void> {
    this.#stop = new AbortController()
    const { cluster, durable, exchanges, orders, serving, targeted } = this.#parts
    try {
      if (this.#boot === undefined) {
        await this.#load()
      }
    } catch (error) {
      this.#starting = undefined
      throw error
    }
    orders.start()
    targeted.start()
    serving?.start()
    durable.start()
    exchanges?.start()
    cluster?.start()
    this.#started = true
  }

  async #load(): Promise<void> {
    const { clock, onCorrupt, store } = this.#ground
    const { deadLetters, log, orders, progress, registrations, snapshots } = this.#parts
    const boot = await nextBoot(store, clock, this.#givenBoot, onCorrupt)
    await snapshots.load()
    await log.load()
    await orders.load()
    await registrations.load()
    await progress.load()
    await deadLetters.load()
    this.#boot = boot
    await log.trim()
    this.#loaded.resolve()
  }

  #checkStarted(): void {
    if (!this.#started) {
      throw new NotStartedError('the signal bus is not started')
    }
  }

  #checkFrom({ from }: SubscribeOptions): void {
    if (from !== undefined) {
      const place = checkFrom(from)
      // Where the log begins and ends is known once it has been read.
      if (this.#boot !== undefined) {
        checkPlace(place, this.#parts.log.last)
      }
    }
  }
}
