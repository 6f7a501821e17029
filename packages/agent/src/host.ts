import type { AbortOptions } from '@libp2p/interface'
import type { Schema } from '@murmuration/crdt'
import {
  AbortedError,
  InvalidParametersError,
  NotOwnerError,
  PausedError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, Epoch, Signal, SignalInput } from '@murmuration/interface'
import { Activation } from './activation.ts'
import type { Begun, WorkOptions } from './activation-init.ts'
import type { Catalog } from './catalog.ts'
import { defaults } from './defaults.ts'
import type { AgentType, SignalReaction } from './define.ts'
import type { AgentComponents, AgentsInit, RunningAgent } from './index.ts'
import { STEADY } from './interest.ts'
import type { Caller } from './interest.ts'
import type { WorkRequest } from './messages.ts'
import type { PeerLoad } from './core/load.ts'
import type { OwnLoad } from './load-board.ts'
import { Placer } from './placer.ts'
import type { Done } from './request.ts'
import { migrateOwned } from './schema-version.ts'
import { Supervisor } from './supervisor.ts'

/** Runs the agents that this peer owns. */
export class AgentHost {
  readonly #components: AgentComponents
  readonly #catalog: Catalog
  readonly #limits: Required<Omit<AgentsInit, 'types' | 'capacity'>>
  readonly #activations = new Map<string, Activation>()
  /** The same, by type. */
  readonly #ofType = new Map<AgentType, Set<Activation>>()
  readonly #starting = new Map<string, Promise<Activation>>()
  /** Types of the agents that start here: they take room already. */
  readonly #reserved = new Map<string, AgentType>()
  readonly #busy = new Set<Activation>()
  /** Of the busy ones, those of which the log has told. */
  readonly #told = new WeakMap<Activation, number>()
  readonly #supervisor: Supervisor
  readonly #placer: Placer
  #stopping = new AbortController()
  #timers: (() => void)[] = []

  constructor(components: AgentComponents, catalog: Catalog, init: AgentsInit) {
    this.#components = components
    this.#catalog = catalog
    this.#limits = limitsOf(init)
    for (const { type } of catalog.entries) this.#ofType.set(type, new Set())
    this.#supervisor = new Supervisor(components.clock, components.log)
    this.#placer = new Placer(components, () => this.#load(init.capacity ?? {}))
  }

  get size(): number {
    return this.#activations.size
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#placer.start()
    this.#every(this.#limits.idleMs / 4, () => this.#passivate())
    this.#every(this.#limits.handlerWarnMs / 2, () => this.#warn())
  }

  stop(): void {
    for (const cancel of this.#timers) cancel()
    this.#timers = []
    this.#placer.stop()
    this.#stopping.abort()
    for (const activation of this.#activations.values()) {
      this.#drop(activation, 'the peer stops')
    }
  }

  running(): RunningAgent[] {
    const now = this.#components.clock.monotonic()
    return [...this.#activations.values()]
      .filter(({ isOpen }) => isOpen)
      .map(({ id, owned, calls, waiting, busySinceMs, lastFailure }) => ({
        id,
        epoch: owned.epoch,
        calls,
        waiting,
        busyMs: busySinceMs === undefined ? 0 : now - busySinceMs,
        lastFailure
      }))
  }

  epochOf(id: string): Epoch | undefined {
    const activation = this.#activations.get(id)
    return activation?.isOpen === true ? activation.owned.epoch : undefined
  }

  end(id: string): boolean {
    this.#supervisor.forget(id)
    const activation = this.#activations.get(id)
    if (activation === undefined) return false
    const isOpen = activation.isOpen
    this.#drop(activation, 'it was stopped')
    return isOpen
  }

  /** The document of a running agent, where it is small. */
  echoOf(id: string): Uint8Array | undefined {
    return this.#activations.get(id)?.echo()
  }

  /** Starts the agent if it does not run. The caller's signal ends its wait, not the start. */
  async begin(record: AgentRecord, options: AbortOptions = {}): Promise<Epoch> {
    const { type } = this.#catalog.find(record.id)
    this.#supervisor.refuse(record.id)
    this.refusePaused(type, record.id)
    const { signal } = options
    const activation = this.#running(record.id) ?? (await this.#activate(record.id, signal))
    return activation.owned.epoch
  }

  /** Begins an action in this turn; undefined where the agent does not run here, waits or is paused. */
  beginHere(
    id: string,
    action: string,
    input: unknown,
    caller: Caller
  ): { readonly output: unknown } | Begun | undefined {
    const activation = this.#running(id)
    if (activation === undefined || this.#isPaused(activation.type)) return undefined
    if (!activation.mayAct) return undefined
    activation.lastUsedMs = this.#components.clock.monotonic()
    return activation.begin(action, input, caller)
  }

  /** Does what a request asks. Rejects with `NotOwnerError` where another peer should. */
  perform(request: WorkRequest, options: WorkOptions): Promise<Done> {
    try {
      const running = this.#running(request.agent)
      if (running !== undefined) return this.#work(running, request, options)
      const { type } = this.#catalog.find(request.agent)
      this.#supervisor.refuse(request.agent)
      // Not begun while paused: what a split has moved here may be old.
      this.refusePaused(type, request.agent)
      return this.#activate(request.agent).then((begun) => this.#work(begun, request, options))
    } catch (error) {
      // A promise and not an exception, whichever step failed.
      return Promise.reject(error)
    }
  }

  /** @throws PausedError when the type pauses on this side of a split */
  refusePaused(type: AgentType, id: string): void {
    if (!this.#isPaused(type)) return
    const { partition, rpc } = this.#components
    const reason = partition?.decide(type.onPartition).reason ?? ''
    throw new PausedError(`${id} is paused on ${rpc.peer} until the split is over: ${reason}`)
  }

  /** Lets all running agents of a type react to a signal of the bus by one of its reactions. */
  react(type: AgentType, reaction: SignalReaction<Schema>, signal: Signal): void {
    const options = { caller: STEADY, timeoutMs: defaults.callTimeoutMs }
    for (const activation of this.#ofType.get(type) ?? []) {
      // At most once: the bus does not know of agents' failures, so they are told here.
      const failed = (error: unknown): void =>
        this.#components.log?.(`${activation.id} did not react to ${signal.type}: ${String(error)}`)
      try {
        this.refusePaused(type, activation.id)
        activation.signal(signal, [reaction], options).catch(failed)
      } catch (error) {
        failed(error)
      }
    }
  }

  /** The member on which the agent would be started now. @throws ClusterAtCapacityError */
  select(id: string): Promise<PeerLoad> {
    const { type, key } = this.#catalog.find(id)
    return this.#placer.select(type, type.record(key))
  }

  #load(capacity: Readonly<Record<string, number>>): ReturnType<OwnLoad> {
    const free = { ...capacity }
    const take = ({ needs }: AgentType, count: number): void => {
      for (const [name, amount] of Object.entries(needs.resources)) {
        free[name] = Math.max(0, (free[name] ?? 0) - amount * count)
      }
    }
    for (const [type, activations] of this.#ofType) take(type, activations.size)
    for (const type of this.#reserved.values()) take(type, 1)
    const machine = this.#components.machine?.() ?? { cpu: 0, memory: 0, lagMs: 0 }
    const agents = this.#activations.size + this.#reserved.size
    return { ...machine, agents, agentsMax: this.#limits.activationsMax, free }
  }

  #isPaused(type: AgentType): boolean {
    return this.#components.partition?.verdict(type.onPartition) === 'pause'
  }

  #running(id: string): Activation | undefined {
    const activation = this.#activations.get(id)
    return activation?.isOpen === true ? activation : undefined
  }

  #activate(id: string, signal?: AbortSignal): Promise<Activation> {
    let starting = this.#starting.get(id)
    if (starting === undefined) {
      starting = this.#start(id).finally(() => this.#starting.delete(id))
      this.#starting.set(id, starting)
    }
    return signal === undefined ? starting : unlessAborted(starting, signal)
  }

  async #start(id: string): Promise<Activation> {
    const { type, key } = this.#catalog.find(id)
    // The record by this peer's own definition: what others say of an agent does not place it.
    const record = type.record(key)
    const stopping = this.#stopping.signal
    const { rpc, state } = this.#components
    const isOwner = state.placement()?.ownerOf(record)?.peer === rpc.peer
    if (isOwner && !this.#placer.mayStart(type, record)) await this.#placer.place(type, record)
    this.#reserved.set(id, type)
    const owned = await state
      .own(record, { signal: stopping })
      .catch((error: unknown) => {
        // It was given up here, not by the callers: they go to the next owner.
        if (!stopping.aborted) throw error
      })
      .finally(() => this.#reserved.delete(id))
    if (stopping.aborted || owned === undefined) {
      throw new NotOwnerError(`${id} was not started: the peer stops`)
    }
    await migrateOwned(type, owned)
    if (owned.signal.aborted) throw new NotOwnerError(`${id} moved away while it started`)
    const { clock, signals, log } = this.#components
    const activation = new Activation({
      type,
      record,
      key,
      owned,
      strong: state.strong,
      mailboxMax: this.#limits.mailboxMax,
      lease: this.#components.leaseOf?.(id),
      emit:
        signals === undefined
          ? undefined
          : (signal) => void this.#emit({ source: `agent:${id}`, ...signal }),
      now: () => clock.monotonic(),
      busy: this.#busy,
      onClose: () => this.#forget(activation),
      onFailure: (reason) => {
        const rest = this.#supervisor.failed(type, id, reason)
        if (rest !== undefined) activation.close(rest)
      },
      log
    })
    this.#activations.set(id, activation)
    this.#ofType.get(type)?.add(activation)
    return activation
  }

  #work(activation: Activation, request: WorkRequest, options: WorkOptions): Promise<Done> {
    const { type } = activation
    this.refusePaused(type, activation.id)
    activation.lastUsedMs = this.#components.clock.monotonic()
    const { after } = request
    if (after !== undefined && !activation.owned.includes(after)) {
      throw new UnavailableError(
        `${activation.id} has not got an update that this session saw before it was acknowledged`
      )
    }
    switch (request.kind) {
      case 'call':
        return activation.call(request.action ?? '', request.input, options)
      case 'update':
        return activation.update(request.operations ?? [], options)
      case 'signal': {
        const signal = signalOf(request.input)
        const reactions = this.#catalog
          .find(activation.id)
          .reactions.filter(({ matches }) => matches(signal.type))
        return activation.signal(
          signal,
          reactions.map(({ run }) => run),
          options
        )
      }
    }
  }

  #drop(activation: Activation, why: string): void {
    activation.close(new NotOwnerError(`${activation.id} does not run here any more: ${why}`))
  }

  #forget(activation: Activation): void {
    if (this.#activations.get(activation.id) === activation) {
      this.#activations.delete(activation.id)
    }
    this.#ofType.get(activation.type)?.delete(activation)
  }

  #passivate(): void {
    const before = this.#components.clock.monotonic() - this.#limits.idleMs
    for (const activation of this.#activations.values()) {
      if (activation.lastUsedMs <= before && activation.isIdle) {
        this.#drop(activation, 'it was idle')
      }
    }
  }

  /** A handler that hangs holds up its agent; nobody may end it but its author. */
  #warn(): void {
    const now = this.#components.clock.monotonic()
    for (const activation of this.#busy) {
      const since = activation.busySinceMs ?? now
      if (now - since < this.#limits.handlerWarnMs) continue
      if (this.#told.get(activation) === since) continue
      this.#told.set(activation, since)
      this.#components.log?.('a handler does not return', {
        agent: activation.id,
        busyMs: Math.round(now - since),
        waiting: activation.waiting
      })
    }
  }

  #every(intervalMs: number, task: () => void): void {
    const at = this.#timers.length
    const arm = (): void => {
      this.#timers[at] = this.#components.clock.schedule(intervalMs, () => {
        arm()
        task()
      })
    }
    arm()
  }

  async #emit(signal: SignalInput): Promise<void> {
    try {
      await this.#components.signals?.publish(signal)
    } catch (error) {
      // The changes are acknowledged: the signal is lost and nothing else.
      this.#components.log?.(`signal ${signal.type} was not published: ${String(error)}`)
    }
  }
}

function limitsOf(init: AgentsInit): Required<Omit<AgentsInit, 'types' | 'capacity'>> {
  const limits = {
    mailboxMax: init.mailboxMax ?? defaults.mailboxMax,
    activationsMax: init.activationsMax ?? defaults.activationsMax,
    idleMs: init.idleMs ?? defaults.idleMs,
    handlerWarnMs: init.handlerWarnMs ?? defaults.handlerWarnMs
  }
  for (const [name, value] of Object.entries(limits)) {
    // Timers take no more than 31 bits of milliseconds.
    if (Number.isInteger(value) && value >= 1 && value < 2 ** 31) continue
    throw new InvalidParametersError(`${name} must be a whole number from 1, not ${value}`)
  }
  return limits
}

function signalOf(input: unknown): Signal {
  const isSignal =
    typeof input === 'object' && input !== null && 'type' in input && typeof input.type === 'string'
  if (!isSignal) throw new InvalidParametersError('the request holds no signal')
  return input as Signal // made and completed by `reference.ts`; reactions look only at the type
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new AbortedError('the caller gave up'))
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
