import type { AbortOptions } from '@libp2p/interface'
import type { Schema } from '@murmuration/crdt'
import { parseAgentId } from '@murmuration/identity'
import {
  MurmurationError,
  OverloadedError,
  PausedError,
  UnknownAgentError
} from '@murmuration/interface'
import type { AgentRecord, Epoch, RpcContext, Signal } from '@murmuration/interface'
import { Activation } from './activation.ts'
import type { Done, WorkOptions } from './activation.ts'
import { defaults } from './defaults.ts'
import type { AgentType, SignalReaction } from './define.ts'
import type { AgentComponents, AgentsInit, RunningAgent } from './index.ts'
import { WatchItem, WatchRequest, WorkReply, WorkRequest } from './messages.ts'
import { reactionsTo } from './reactions.ts'

export const WORK = 'agent.work'
export const WATCH = 'agent.watch'

/** Runs the agents that this peer owns. */
export class AgentHost {
  readonly #components: AgentComponents
  readonly #types: ReadonlyMap<string, AgentType>
  readonly #mailboxMax: number
  readonly #activationsMax: number
  readonly #idleMs: number
  readonly #activations = new Map<string, Activation>()
  readonly #starting = new Map<string, Promise<Activation>>()
  #cancelSweep: (() => void) | undefined

  constructor(components: AgentComponents, init: AgentsInit) {
    this.#components = components
    this.#types = new Map(init.types.map((type) => [`${type.namespace}/${type.type}`, type]))
    this.#mailboxMax = init.mailboxMax ?? defaults.mailboxMax
    this.#activationsMax = init.activationsMax ?? defaults.activationsMax
    this.#idleMs = init.idleMs ?? defaults.idleMs
  }

  start(): void {
    const { rpc, clock } = this.#components
    rpc.handle(WORK, (bytes, context) => this.#onWork(bytes, context), { concurrencyMax: 16_384 })
    rpc.handleStream(WATCH, (bytes, context) => this.#onWatch(bytes, context))
    const sweep = (): void => {
      this.#passivate()
      this.#cancelSweep = clock.schedule(this.#idleMs / 4, sweep)
    }
    this.#cancelSweep = clock.schedule(this.#idleMs / 4, sweep)
  }

  stop(): void {
    this.#cancelSweep?.()
    this.#components.rpc.unhandle(WORK)
    this.#components.rpc.unhandle(WATCH)
    this.#activations.clear()
  }

  running(): RunningAgent[] {
    return [...this.#activations].map(([id, activation]) => ({
      id,
      epoch: activation.owned.epoch,
      calls: activation.calls,
      waiting: activation.waiting
    }))
  }

  epochOf(id: string): Epoch | undefined {
    return this.#activations.get(id)?.owned.epoch
  }

  end(id: string): boolean {
    return this.#activations.delete(id)
  }

  /** Starts the agent if it does not run. */
  async activate(record: AgentRecord, options: AbortOptions = {}): Promise<Activation> {
    const running = this.#activations.get(record.id)
    if (running !== undefined && !running.owned.signal.aborted) return running
    const starting = this.#starting.get(record.id)
    if (starting !== undefined) return starting
    if (this.#activations.size + this.#starting.size >= this.#activationsMax) {
      throw new OverloadedError(`this peer runs ${this.#activationsMax} agents already`)
    }
    const begun = this.#begin(record, options)
    this.#starting.set(record.id, begun)
    try {
      return await begun
    } finally {
      this.#starting.delete(record.id)
    }
  }

  async #begin(record: AgentRecord, options: AbortOptions): Promise<Activation> {
    const { namespace, type: name, key } = parseAgentId(record.id)
    const type = this.#types.get(`${namespace}/${name}`)
    if (type === undefined)
      throw new UnknownAgentError(`this peer does not define ${namespace}/${name}`)
    const owned = await this.#components.state.own(record, options)
    const activation = new Activation({
      type,
      record,
      key,
      owned,
      mailboxMax: this.#mailboxMax,
      emit: (signal) => this.#emit({ source: `agent:${record.id}`, ...signal })
    })
    this.#activations.set(record.id, activation)
    owned.signal.addEventListener(
      'abort',
      () => {
        if (this.#activations.get(record.id) === activation) this.#activations.delete(record.id)
      },
      { once: true }
    )
    return activation
  }

  /** Does what a request asks; `NotOwnerError` where another peer should. */
  async perform(request: WorkRequest, options: WorkOptions): Promise<Done> {
    const activation = await this.activate(request.agent, { signal: options.signal })
    if (this.#components.partition?.verdict(activation.type.onPartition) === 'pause') {
      throw new PausedError(`${request.agent.id} is paused: this side of the split has no majority`)
    }
    activation.lastUsedMs = this.#components.clock.monotonic()
    switch (request.kind) {
      case 'call':
        return activation.call(request.action ?? '', request.input, options)
      case 'update':
        return activation.update(request.operations ?? [], options)
      case 'signal': {
        // Signals are made by `reference.ts`, which validates them; foreign ones only lack reactions.
        const signal = request.input as Signal
        return activation.signal(signal, reactionsTo(activation.type, signal.type), options)
      }
    }
  }

  /** Lets all running agents of a type react to a signal of the bus by one of its reactions. */
  react(type: AgentType, reaction: SignalReaction<Schema>, signal: Signal): void {
    for (const activation of this.#activations.values()) {
      if (activation.type !== type) continue
      const options = { signal: activation.owned.signal, timeoutMs: defaults.callTimeoutMs }
      activation.signal(signal, [reaction], options).catch((error: unknown) => {
        // At most once: the bus does not know of agents' failures, so they are told here.
        this.#components.log?.(
          `a reaction of ${type.type} to ${signal.type} failed: ${String(error)}`
        )
      })
    }
  }

  async #onWork(bytes: Uint8Array, context: RpcContext): Promise<Uint8Array> {
    const request = WorkRequest.decode(bytes)
    const { membership } = this.#components
    try {
      await this.#catchUp(request.view, context)
      const done = await this.perform(request, {
        key: request.key,
        ack: request.ack,
        signal: context.signal,
        timeoutMs: context.remainingMs
      })
      return WorkReply.encode(this.#replyOf(request, done))
    } catch (error) {
      if (error instanceof MurmurationError && error.name === 'NotOwnerError') {
        return WorkReply.encode({ status: 'moved', view: membership.view?.number ?? 0 })
      }
      throw error
    }
  }

  async #catchUp(view: number, context: RpcContext): Promise<void> {
    const { membership } = this.#components
    if (view > (membership.view?.number ?? 0)) {
      await membership.catchUp(view, context.peer, { signal: context.signal })
    }
  }

  #replyOf(request: WorkRequest, done: Done): WorkReply {
    const view = this.#components.membership.view?.number ?? 0
    const { commit, output } = done
    const reply: WorkReply = { status: 'done', view, ...(output === undefined ? {} : { output }) }
    if (commit === undefined) return reply
    Object.assign(reply, {
      version: commit.version,
      epoch: commit.epoch,
      copies: commit.copies,
      duplicate: commit.duplicate
    })
    if (request.kind === 'update') {
      const document = this.#activations.get(request.agent.id)?.owned.document.encode()
      if (document !== undefined && document.byteLength <= defaults.echoBytesMax) {
        Object.assign(reply, { document })
      }
    }
    return reply
  }

  async *#onWatch(bytes: Uint8Array, context: RpcContext): AsyncIterable<Uint8Array> {
    const { agent, view } = WatchRequest.decode(bytes)
    await this.#catchUp(view, context)
    const activation = await this.activate(agent, { signal: context.signal })
    const { state, clock } = this.#components
    let changed = true
    let wake: (() => void) | undefined
    const onEnd = (): void => wake?.()
    const onChange = (event: CustomEvent<{ readonly id: string }>): void => {
      if (event.detail.id !== agent.id) return
      changed = true
      wake?.()
    }
    state.addEventListener('change', onChange)
    context.signal.addEventListener('abort', onEnd)
    activation.owned.signal.addEventListener('abort', onEnd)
    try {
      while (!context.signal.aborted && !activation.owned.signal.aborted) {
        if (changed) {
          changed = false
          const { document, epoch } = activation.owned
          yield WatchItem.encode({ document: document.encode(), epoch })
          await new Promise<void>((resolve) => clock.schedule(defaults.watchIntervalMs, resolve))
          continue
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      state.removeEventListener('change', onChange)
      context.signal.removeEventListener('abort', onEnd)
      activation.owned.signal.removeEventListener('abort', onEnd)
    }
  }

  #passivate(): void {
    const before = this.#components.clock.monotonic() - this.#idleMs
    for (const [id, activation] of this.#activations) {
      if (activation.lastUsedMs < before && activation.waiting === 0) this.#activations.delete(id)
    }
  }

  #emit(signal: Parameters<NonNullable<AgentComponents['signals']>['publish']>[0]): void {
    const sent = this.#components.signals?.publish(signal)
    sent?.catch((error: unknown) =>
      this.#components.log?.(`signal not published: ${String(error)}`)
    )
  }
}
