import type { AbortOptions } from '@libp2p/interface'
import {
  AbortedError,
  ConnectionLostError,
  DeadlineExceededError,
  MurmurationError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import { defaults } from './defaults.ts'
import type { AgentHost } from './host.ts'
import { WORK } from './host.ts'
import type { AgentComponents } from './index.ts'
import { WorkReply, WorkRequest } from './messages.ts'
import type { Session } from './session.ts'

/** Limits of one piece of work, retries included. */
export interface RouteOptions extends AbortOptions {
  readonly timeoutMs: number
  readonly onRetry?: (cause: unknown) => void
}

/** What came back, from wherever the agent runs. */
export interface Routed extends Omit<WorkReply, 'status'> {
  /** The peer that did it. */
  readonly owner: string
  /** How often it was sent. */
  readonly attempts: number
}

/**
 * Brings work to the owner of an agent, wherever it is, and stays with it until it is done, refused
 * or too late: a lost connection, a moved agent or a dead owner cost a repetition with the same key.
 */
export class Router {
  readonly #components: AgentComponents
  readonly #host: AgentHost
  readonly #session: Session
  /** Attempts that wait for a peer; a view without that peer ends them. */
  readonly #waiting = new Map<string, Set<(error: Error) => void>>()
  readonly #onView = (): void => this.#leaveRemovedPeers()

  constructor(components: AgentComponents, host: AgentHost, session: Session) {
    this.#components = components
    this.#host = host
    this.#session = session
  }

  start(): void {
    this.#components.membership.addEventListener('view', this.#onView)
  }

  stop(): void {
    this.#components.membership.removeEventListener('view', this.#onView)
  }

  async perform(request: WorkRequest, options: RouteOptions): Promise<Routed> {
    const { clock } = this.#components
    const deadline = clock.monotonic() + options.timeoutMs
    let attempts = 0
    let sentOnce = false
    let last: unknown
    while (true) {
      const remainingMs = deadline - clock.monotonic()
      if (options.signal?.aborted === true) {
        throw new AbortedError('the caller gave up', { outcomeUnknown: sentOnce, cause: last })
      }
      if (remainingMs <= 0) throw tooLate(request.agent, options.timeoutMs, sentOnce, last)
      attempts++
      try {
        const routed = await this.#attempt(request, remainingMs, options)
        if (routed !== undefined) return { ...routed, attempts }
      } catch (error) {
        if (!mayRepeat(error, request)) throw error
        sentOnce ||= error instanceof MurmurationError && error.outcomeUnknown
        last = error
      }
      options.onRetry?.(last)
      await this.#pause(attempts, deadline, options.signal)
    }
  }

  /** One attempt; undefined when the agent is elsewhere and the view has been brought up to date. */
  async #attempt(
    request: WorkRequest,
    remainingMs: number,
    options: AbortOptions
  ): Promise<Omit<Routed, 'attempts'> | undefined> {
    const { membership, rpc, state } = this.#components
    const owner = state.placement()?.ownerOf(request.agent)?.peer
    if (owner === undefined) {
      throw new UnavailableError(`no member of the view may own ${request.agent.id}`)
    }
    const view = membership.view?.number ?? 0
    const key = request.key === undefined ? undefined : this.#session.refresh(request.key)
    const sent: WorkRequest = { ...request, view, ...(key === undefined ? {} : { key }) }
    if (owner === rpc.peer) return this.#here(sent, remainingMs, options)
    const bytes = await this.#ask(owner, sent, remainingMs, options)
    const reply = WorkReply.decode(bytes)
    if (reply.status === 'done') return { ...reply, owner }
    if (reply.view > view) await membership.catchUp(reply.view, owner, options)
    return undefined
  }

  async #here(
    request: WorkRequest,
    timeoutMs: number,
    options: AbortOptions
  ): Promise<Omit<Routed, 'attempts'>> {
    const signal = options.signal ?? NEVER
    const { output, commit } = await this.#host.perform(request, {
      key: request.key,
      ack: request.ack,
      signal,
      timeoutMs
    })
    const { membership, rpc } = this.#components
    return {
      view: membership.view?.number ?? 0,
      owner: rpc.peer,
      ...(output === undefined ? {} : { output }),
      ...(commit === undefined ? {} : commitFields(commit))
    }
  }

  #ask(
    owner: string,
    request: WorkRequest,
    timeoutMs: number,
    options: AbortOptions
  ): Promise<Uint8Array> {
    const call = this.#components.rpc.call(owner, WORK, WorkRequest.encode(request), {
      timeoutMs,
      ...options
    })
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(owner) ?? new Set()
      this.#waiting.set(owner, waiting)
      waiting.add(reject)
      call.then(resolve, reject).finally(() => {
        waiting.delete(reject)
        if (waiting.size === 0 && this.#waiting.get(owner) === waiting) this.#waiting.delete(owner)
      })
    })
  }

  #leaveRemovedPeers(): void {
    const members = new Set(this.#components.membership.view?.members.map(({ peer }) => peer))
    for (const [peer, waiting] of this.#waiting) {
      if (members.has(peer)) continue
      this.#waiting.delete(peer)
      for (const reject of waiting) reject(new ConnectionLostError(`${peer} left the view`))
    }
  }

  async #pause(attempt: number, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random, membership } = this.#components
    const longest = Math.min(defaults.retryMaxMs, defaults.retryBaseMs * 2 ** Math.min(attempt, 10))
    const delayMs = Math.min(random.next() * longest, Math.max(0, deadline - clock.monotonic()))
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel()
        membership.removeEventListener('view', end)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const cancel = clock.schedule(delayMs, end)
      membership.addEventListener('view', end)
      signal?.addEventListener('abort', end)
    })
  }
}

/** A signal that never fires, for callers that gave none. */
const NEVER = new AbortController().signal

/** A peer that starts has no handlers yet: it is asked again. */
const STARTING = 'UnknownMethodError'

function mayRepeat(error: unknown, request: WorkRequest): boolean {
  if (!(error instanceof MurmurationError)) return false
  if (error.retryable || error.name === STARTING || error.name === 'NotOwnerError') return true
  // With a key, a repetition counts once; without one it might count twice.
  return error.outcomeUnknown && request.key !== undefined
}

function tooLate(
  agent: AgentRecord,
  timeoutMs: number,
  sentOnce: boolean,
  cause: unknown
): MurmurationError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return sentOnce
    ? new DeadlineExceededError(`${agent.id} did not answer within ${timeoutMs} ms${why}`, {
        cause
      })
    : new UnavailableError(`${agent.id} was not available within ${timeoutMs} ms${why}`, { cause })
}

function commitFields(
  commit: NonNullable<Awaited<ReturnType<AgentHost['perform']>>['commit']>
): Pick<WorkReply, 'version' | 'epoch' | 'copies' | 'duplicate'> {
  const { version, epoch, copies, duplicate } = commit
  return { version: { ...version }, epoch, copies, duplicate }
}
