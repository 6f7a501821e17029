import { isFactual, SchemaError, SessionUnknownError } from '@murmuration/interface'
import type { MurmurationError, RpcContext } from '@murmuration/interface'
import { pinnedPeer } from '@murmuration/placement'
import type { Catalog } from './catalog.ts'
import { defaults } from './defaults.ts'
import { failureToWire, HandlerFailure, withUnknownOutcome } from './failure.ts'
import type { AgentHost } from './host.ts'
import type { AgentComponents } from './index.ts'
import { WatchItem, WatchRequest, WorkReply, WorkRequest } from './messages.ts'
import type { Acknowledgement, Done } from './request.ts'
import { Wake } from './wake.ts'

export const WORK = 'agent.work'
export const WATCH = 'agent.watch'

/** Answers the requests of other peers for agents that run here. */
export class Serving {
  readonly #components: AgentComponents
  readonly #catalog: Catalog
  readonly #host: AgentHost

  constructor(components: AgentComponents, catalog: Catalog, host: AgentHost) {
    this.#components = components
    this.#catalog = catalog
    this.#host = host
  }

  start(): void {
    const { rpc } = this.#components
    const { requestsMax, watchesMax } = defaults
    rpc.handle(WORK, (bytes, context) => this.#onWork(bytes, context), {
      concurrencyMax: requestsMax
    })
    rpc.handleStream(WATCH, (bytes, context) => this.#onWatch(bytes, context), {
      concurrencyMax: watchesMax
    })
  }

  stop(): void {
    this.#components.rpc.unhandle(WORK)
    this.#components.rpc.unhandle(WATCH)
  }

  get #view(): number {
    return this.#components.membership.view?.number ?? 0
  }

  async #onWork(bytes: Uint8Array, context: RpcContext): Promise<Uint8Array> {
    const request = WorkRequest.decode(bytes)
    const outside = this.#outside(request)
    if (outside !== undefined) return await this.#handOn(outside, request, context)
    try {
      if (request.view > this.#view) await this.#catchUp(request.view, context)
      const done = await this.#host.perform(request, {
        key: request.key,
        ack: request.ack,
        // Has a `signal` that costs nothing until somebody asks for it.
        caller: context,
        timeoutMs: context.remainingMs
      })
      return this.#replyOf(request, done)
    } catch (error) {
      if (error instanceof HandlerFailure) {
        const failure = failureToWire(error.error)
        return WorkReply.encode({ status: 'failed', view: this.#view, failure })
      }
      if (error instanceof SessionUnknownError && !error.outcomeUnknown) {
        return WorkReply.encode({ status: 'unknown', view: this.#view, since: [...error.since] })
      }
      if (isFactual(error) && hasMoved(error)) {
        return WorkReply.encode({ status: 'moved', view: this.#view })
      }
      throw error
    }
  }

  /** The edge peer to which the agent is pinned, where this is a member of the view. */
  #outside({ agent, handedOn }: WorkRequest): string | undefined {
    const { membership, rpc, state } = this.#components
    const found = handedOn === true ? undefined : this.#catalog.lookUp(agent)
    const placement = state.placement()
    if (found === undefined || placement === undefined) return undefined
    const record = found.type.record(found.key)
    const peer = pinnedPeer(record)
    if (peer === undefined || placement.ownerOf(record) !== undefined) return undefined
    const isMember = membership.view?.members.some((member) => member.peer === rpc.peer) === true
    return isMember ? peer : undefined
  }

  /** For a caller that cannot reach the edge peer. */
  async #handOn(peer: string, request: WorkRequest, context: RpcContext): Promise<Uint8Array> {
    const sent = WorkRequest.encode({ ...request, handedOn: true })
    return await this.#components.rpc.call(peer, WORK, sent, {
      timeoutMs: context.remainingMs,
      signal: context.signal
    })
  }

  async #catchUp(view: number, context: RpcContext): Promise<void> {
    await this.#components.membership.catchUp(view, context.peer, { signal: context.signal })
  }

  #replyOf({ kind, agent, after }: WorkRequest, { output, acknowledgement }: Done): Uint8Array {
    const isUpdate = kind === 'update'
    const document = isUpdate ? this.#host.echoOf(agent) : undefined
    try {
      return WorkReply.encode({
        status: 'done',
        view: this.#view,
        ...(output === undefined ? {} : { output }),
        // In a branch of a split it is always told: its keys are not passed before the heal.
        ...((isUpdate || after !== undefined || acknowledgement?.epoch.branch !== undefined) &&
        acknowledgement !== undefined
          ? acknowledgementToWire(acknowledgement)
          : {}),
        ...(document === undefined ? {} : { document })
      })
    } catch (cause) {
      const error = new SchemaError(`the output cannot be sent: ${String(cause)}`, { cause })
      throw acknowledgement === undefined ? error : withUnknownOutcome(error)
    }
  }

  async *#onWatch(bytes: Uint8Array, context: RpcContext): AsyncIterable<Uint8Array> {
    const { agent, view } = WatchRequest.decode(bytes)
    if (view > this.#view) await this.#catchUp(view, context)
    const { type, key } = this.#catalog.find(agent)
    const { state, clock, partition } = this.#components
    // Looking at an agent does not start it: its document is enough.
    const owned = await state.own(type.record(key), { signal: context.signal })
    let changed = true
    const wake = new Wake(clock)
    const onEnd = (): void => wake.now()
    const onChange = (event: CustomEvent<{ readonly id: string }>): void => {
      if (event.detail.id !== agent) return
      changed = true
      wake.now()
    }
    state.addEventListener('change', onChange)
    partition?.addEventListener('status', onEnd)
    const ends = [context.signal, owned.signal]
    for (const signal of ends) signal.addEventListener('abort', onEnd)
    const hasEnded = (): boolean => ends.some(({ aborted }) => aborted)
    try {
      while (!hasEnded()) {
        // While paused the state may be old: nothing is shown, and the heal wakes this loop.
        if (!changed || partition?.verdict(type.onPartition) === 'pause') {
          await wake.wait()
          continue
        }
        changed = false
        const document = owned.document.encode()
        yield WatchItem.encode({
          epoch: owned.epoch,
          ...(document.length > defaults.watchBytesMax ? {} : { document })
        })
        // Changes of this time are shown together.
        await wake.waitUntil(clock.monotonic() + defaults.watchIntervalMs, hasEnded)
      }
    } finally {
      state.removeEventListener('change', onChange)
      partition?.removeEventListener('status', onEnd)
      for (const signal of ends) signal.removeEventListener('abort', onEnd)
      wake.now() // Cancels its timer.
    }
  }
}

/** Nothing was done, and another peer will do it. */
function hasMoved({ name, outcomeUnknown }: MurmurationError): boolean {
  return name === 'NotOwnerError' || (name === 'FencedError' && !outcomeUnknown)
}

/** The parts of an acknowledgement that travel. */
export function acknowledgementToWire({
  version,
  epoch,
  copies,
  duplicate
}: Acknowledgement): Pick<WorkReply, 'version' | 'epoch' | 'copies' | 'duplicate'> {
  return { version: { ...version }, epoch, copies, duplicate }
}
