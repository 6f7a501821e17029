import type { AbortOptions } from '@libp2p/interface'
import {
  AbortedError,
  ConnectionLostError,
  DeadlineExceededError,
  isFactual,
  NotOwnerError,
  NotStartedError,
  SessionUnknownError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, Member, MembershipEvents } from '@murmuration/interface'
import { serverOf } from '@murmuration/placement'
import type { Begun, WorkOptions } from './activation-init.ts'
import { carried, carriedOutput } from './carried.ts'
import type { Session } from './core/session.ts'
import { withDeadline } from './deadline.ts'
import type { RouteOptions, Watch } from './deadline.ts'
import { failureFromWire, HandlerFailure, withUnknownOutcome } from './failure.ts'
import type { AgentHost } from './host.ts'
import type { AgentComponents } from './index.ts'
import { WorkReply, WorkRequest } from './messages.ts'
import { LocalCaller } from './local-caller.ts'
import { Openings } from './openings.ts'
import { Persistence } from './persistence.ts'
import type { PersistenceInit } from './persistence.ts'
import type { Done } from './request.ts'
import { acknowledgementToWire, WORK } from './serving.ts'
import { Ways } from './ways.ts'

/** What came back, from wherever the agent runs. */
export interface Routed extends Omit<WorkReply, 'status' | 'failure'> {
  /** The peer that did it. */
  readonly owner: string
}

/** An action that has begun here, and its caller. */
export interface BegunHere extends Begun {
  readonly caller: LocalCaller
}

/** How work is done in this process. */
interface Here {
  readonly caller: LocalCaller
  readonly perform: (options: WorkOptions) => Promise<Done>
}

/**
 * Brings work to the owner of an agent, wherever it is, and stays with it until it is done, refused
 * or too late: a lost connection, a moved agent or a dead owner cost a repetition with the same key.
 */
export class Router {
  readonly #components: AgentComponents
  readonly #host: AgentHost
  readonly #session: Session
  readonly #openings: Openings
  /** Attempts under way, by peer; a view without that peer ends them. */
  readonly #waiting = new Map<string, Set<(error: Error) => void>>()
  readonly #listeners = new Set<() => void>()
  readonly #ways: Ways
  readonly #onView = ({ detail }: MembershipEvents['view']): void => {
    this.#leaveRemovedPeers(detail.previous?.members ?? [])
  }
  #isRunning = false

  constructor(components: AgentComponents, host: AgentHost, session: Session) {
    this.#components = components
    this.#host = host
    this.#session = session
    this.#openings = new Openings(session, components.clock)
    this.#ways = new Ways(components)
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  start(): void {
    this.#isRunning = true
    this.#components.membership.addEventListener('view', this.#onView)
  }

  stop(): void {
    this.#isRunning = false
    this.#components.membership.removeEventListener('view', this.#onView)
    for (const waiting of this.#waiting.values()) {
      // Sent, and its answer will not be waited for.
      for (const reject of waiting) reject(new ConnectionLostError('the agents were stopped'))
    }
    this.#waiting.clear()
    this.#tell()
  }

  /** Calls back after each change of the view, and when this stops. One listener serves many. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  ownerOf(agent: AgentRecord): string | undefined {
    return serverOf(this.#components.state.placement(), agent)
  }

  /**
   * Begins an action in this process, in this turn. With an output it has ended; else it goes on
   * when it is given to `perform`. Undefined where it has to take the longer way.
   *
   * @throws UnknownAgentError, SchemaError, what the handler threw
   */
  beginHere(
    id: string,
    action: string,
    input: unknown
  ): { readonly output: unknown } | BegunHere | undefined {
    if (!this.#isRunning) return undefined
    const caller = new LocalCaller()
    try {
      const begun = this.#host.beginHere(id, action, carried(input), caller)
      if (begun === undefined) return undefined
      return 'output' in begun
        ? { output: carriedOutput(begun.output) }
        : { caller, follow: begun.follow }
    } catch (error) {
      throw error instanceof HandlerFailure ? error.error : error
    }
  }

  /** Does the work, however often it has to be sent. */
  perform(
    agent: AgentRecord,
    request: WorkRequest,
    options: RouteOptions,
    begun?: BegunHere
  ): Promise<Routed> {
    let first = begun
    let work = this.#openings.first(request)
    const attempt = (leftMs: () => number): Promise<Routed> => {
      if (first === undefined) return this.#attempt(agent, work, leftMs, options)
      const { caller, follow } = first
      first = undefined
      const view = this.#components.membership.view?.number ?? 0
      return this.#here({ ...work, view }, leftMs(), options, { caller, perform: follow })
    }
    const kind = { keyed: work.key !== undefined, opens: this.#openings.isOwn(work.key) }
    return this.#persist(agent, options, kind, (leftMs) =>
      attempt(leftMs).catch((error: unknown) => {
        work = this.#openings.again(work, error)
        throw error
      })
    )
  }

  /** Repeats something that has no effects. */
  read<T>(
    agent: AgentRecord,
    options: RouteOptions,
    attempt: (signal: AbortSignal) => Promise<T>
  ): Promise<T> {
    const { clock } = this.#components
    return this.#persist(agent, options, { keyed: true, reading: true }, (leftMs) =>
      withDeadline(clock, leftMs(), options.signal, attempt, this.#whileMember(agent))
    )
  }

  /** Repeats something that counts once however often it is sent. */
  keyed<T>(
    agent: AgentRecord,
    options: RouteOptions,
    attempt: (signal: AbortSignal) => Promise<T>
  ): Promise<T> {
    const { clock } = this.#components
    return this.#persist(agent, options, { keyed: true }, async (leftMs) => {
      let isLate = false
      const begin = (signal: AbortSignal): Promise<T> => {
        signal.addEventListener('abort', () => (isLate = true))
        return attempt(signal)
      }
      try {
        const watch = this.#whileMember(agent)
        return await withDeadline(clock, leftMs(), options.signal, begin, watch)
      } catch (error) {
        // It was sent, and nobody waits for what comes of it.
        throw isLate && isFactual(error) ? withUnknownOutcome(error) : error
      }
    })
  }

  /** Repeats an attempt until it succeeds, fails for good, or is too late. */
  async #persist<T>(
    agent: AgentRecord,
    options: RouteOptions,
    kind: Pick<PersistenceInit, 'keyed' | 'opens' | 'reading'>,
    attempt: (leftMs: () => number) => Promise<T>
  ): Promise<T> {
    const { membership, clock, random, guard } = this.#components
    const { timeoutMs, deadline, signal, onRetry } = options
    const parts = { clock, random, guard }
    const persistence = new Persistence({ id: agent.id, timeoutMs, deadline, ...parts, ...kind })
    // Time goes by between the look below and a step: no step takes a time that is none.
    const leftMs = (): number => Math.max(1, persistence.remainingMs())
    for (;;) {
      if (!this.#isRunning) throw persistence.stopped(new NotStartedError('agents do not run'))
      if (signal?.aborted === true) throw persistence.aborted()
      if (persistence.remainingMs() <= 0) throw persistence.tooLate()
      if (persistence.attempts > 0) onRetry?.(persistence.last)
      const view = membership.view?.number
      try {
        persistence.attempts++
        return await attempt(leftMs)
      } catch (error) {
        const final = persistence.failed(error)
        if (final !== undefined) throw final
      }
      // A newer view says more than waiting would.
      if (membership.view?.number === view) await this.#pause(persistence.pauseMs(), signal)
    }
  }

  async #attempt(
    agent: AgentRecord,
    request: WorkRequest,
    leftMs: () => number,
    options: AbortOptions
  ): Promise<Routed> {
    const { membership, rpc, clock, guard } = this.#components
    const owner = this.ownerOf(agent)
    if (owner === undefined) {
      throw new UnavailableError(`no member of the view may own ${request.agent}`)
    }
    const view = membership.view?.number ?? 0
    const key = request.key === undefined ? undefined : this.#session.refresh(request.key)
    const sent: WorkRequest = { ...request, view, ...(key && { key }) }
    if (owner === rpc.peer) {
      const work = { ...sent, input: carried(sent.input) }
      const perform = (limits: WorkOptions): Promise<Done> => this.#host.perform(work, limits)
      return this.#here(sent, leftMs(), options, { caller: new LocalCaller(), perform })
    }
    const asked = this.#ways.to(agent, owner, leftMs())
    const ask = (): Promise<Uint8Array> => this.#ask(asked, sent, leftMs(), options)
    const answer = this.#ways.try(owner, () => guard?.run(owner, agent.id, ask) ?? ask())
    const reply = WorkReply.decode(await answer)
    switch (reply.status) {
      case 'done':
        return { ...reply, owner }
      case 'failed':
        throw reply.failure === undefined
          ? new UnavailableError(`${owner} gave no reason for its failure`)
          : new HandlerFailure(failureFromWire(reply.failure, owner))
      case 'unknown':
        throw new SessionUnknownError(`${agent.id} may have forgotten it`, reply.since ?? [])
      case 'moved': {
        if (reply.view > view) {
          await withDeadline(clock, leftMs(), options.signal, (signal) =>
            membership.catchUp(reply.view, asked, { signal })
          )
        }
        throw new NotOwnerError(`${request.agent} does not run on ${owner}`)
      }
    }
  }

  /** In this process; the deadline and the caller's signal end the wait, as they would elsewhere. */
  #here(
    request: WorkRequest,
    timeoutMs: number,
    options: AbortOptions,
    { caller, perform }: Here
  ): Promise<Routed> {
    const { membership, rpc, clock } = this.#components
    const { signal } = options
    const { key, ack } = request
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        cancel()
        waiting.delete(leave)
        signal?.removeEventListener('abort', onAbort)
      }
      const leave = (error: Error): void => {
        finish()
        reject(error)
        caller.leave()
      }
      const onAbort = (): void =>
        leave(new AbortedError('the caller gave up', { outcomeUnknown: true }))
      const cancel = clock.schedule(timeoutMs, () => {
        leave(new DeadlineExceededError(`${request.agent} did not answer in time`))
      })
      const waiting = this.#waitingFor(rpc.peer)
      waiting.add(leave)
      signal?.addEventListener('abort', onAbort)
      perform({ key, ack, caller, timeoutMs })
        .then(({ output, acknowledgement }) => {
          finish()
          resolve({
            view: membership.view?.number ?? 0,
            owner: rpc.peer,
            output: carriedOutput(output),
            ...(acknowledgement === undefined ? {} : acknowledgementToWire(acknowledgement))
          })
        })
        .catch((error: unknown) => {
          finish()
          reject(error)
        })
    })
  }

  #ask(
    owner: string,
    request: WorkRequest,
    timeoutMs: number,
    options: AbortOptions
  ): Promise<Uint8Array> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      const waiting = this.#waitingFor(owner)
      waiting.add(reject)
      this.#components.rpc
        .call(owner, WORK, WorkRequest.encode(request), {
          timeoutMs,
          ...(signal === undefined ? {} : { signal })
        })
        .then(
          (reply) => {
            waiting.delete(reject)
            resolve(reply)
          },
          (error: Error) => {
            waiting.delete(reject)
            reject(error)
          }
        )
    })
  }

  #waitingFor(peer: string): Set<(error: Error) => void> {
    let waiting = this.#waiting.get(peer)
    if (waiting === undefined) {
      waiting = new Set()
      this.#waiting.set(peer, waiting)
    }
    return waiting
  }

  /** Ends an attempt that asks the present owner when a view comes without that peer. */
  #whileMember(agent: AgentRecord): Watch | undefined {
    const owner = this.ownerOf(agent)
    if (owner === undefined || owner === this.#components.rpc.peer) return undefined
    return (end) => {
      const waiting = this.#waitingFor(owner)
      waiting.add(end)
      return () => void waiting.delete(end)
    }
  }

  #leaveRemovedPeers(former: readonly Member[]): void {
    const members = new Set(this.#components.membership.view?.members.map(({ peer }) => peer))
    const removed = new Set(former.map(({ peer }) => peer).filter((peer) => !members.has(peer)))
    for (const [peer, waiting] of this.#waiting) {
      // Edge peers are in no view, so none takes them away.
      if (!removed.has(peer) || peer === this.#components.rpc.peer) continue
      this.#waiting.delete(peer)
      for (const reject of waiting) reject(new ConnectionLostError(`${peer} left the view`))
    }
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  async #pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (delayMs <= 0 || !this.#isRunning || signal?.aborted === true) return
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel()
        unlisten()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#components.clock.schedule(delayMs, end)
      const unlisten = this.listen(end)
      signal?.addEventListener('abort', end)
    })
  }
}
