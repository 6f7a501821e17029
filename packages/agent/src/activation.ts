import { FencedError, isFactual, NotOwnerError, UnknownAgentError } from '@murmuration/interface'
import type { Schema } from '@murmuration/crdt'
import type { Operation, Signal, SignalInput } from '@murmuration/interface'
import { refuseForgotten } from '@murmuration/state'
import type { Commit, OwnedDocument } from '@murmuration/state'
import { Mailbox } from './core/mailbox.ts'
import type { ActivationInit, Begun, WorkOptions } from './activation-init.ts'
import type { AgentType, SignalReaction } from './define.ts'
import { Echoing } from './echoes.ts'
import { HandlerFailure } from './failure.ts'
import { isThenable } from './core/thenable.ts'
import { actionWork, handle, reactionWork } from './handling.ts'
import type { Handled, HandlingParts, Work } from './handling.ts'
import { Interest } from './interest.ts'
import type { Caller } from './interest.ts'
import { LateSignals } from './late-signals.ts'
import { doneOf, nameOf, opened, Request, storedOutput } from './request.ts'
import type { Done } from './request.ts'
import { stamped } from './schema-version.ts'
import { handleStrong } from './strong-handling.ts'

/** What a request is: an action or reactions, an action on the strong part, or recorded operations. */
type Task = Work | { readonly strong: Work } | readonly Operation[]

/** One running agent: its owned document and its mailbox. */
export class Activation {
  readonly #init: ActivationInit
  readonly #mailbox: Mailbox
  readonly #parts: HandlingParts
  readonly #closing = new AbortController()
  /** Keyed requests that wait, run, or are being copied: a repetition joins the first one. */
  readonly #inFlight = new Map<string, Request>()
  /** Signals of changes whose copies were not confirmed in time: a repetition may confirm them. */
  readonly #late: LateSignals
  readonly #onTenureEnd = (): void => this.close(this.#over())
  lastUsedMs: number
  /** When the handler that runs began; undefined when none does. */
  busySinceMs: number | undefined
  calls = 0
  lastFailure: string | undefined
  readonly #echoing = new Echoing()

  constructor(init: ActivationInit) {
    this.#init = init
    this.#mailbox = new Mailbox(init.mailboxMax)
    this.lastUsedMs = init.now()
    init.owned.signal.addEventListener('abort', this.#onTenureEnd)
    const { type, record, key, owned, emit } = init
    this.#late = new LateSignals(record.id, init.log)
    this.#parts = { type, id: record.id, key, owned, canEmit: emit !== undefined }
  }

  get owned(): OwnedDocument {
    return this.#init.owned
  }

  get type(): AgentType {
    return this.#init.type
  }

  get id(): string {
    return this.#init.record.id
  }

  get isOpen(): boolean {
    return !this.#closing.signal.aborted && !this.owned.signal.aborted
  }

  get isIdle(): boolean {
    return this.waiting === 0 && this.#inFlight.size === 0
  }

  /** Whether this peer holds its lease, or needs none. Asked right before each effect. */
  get mayAct(): boolean {
    const { lease } = this.#init
    return lease === undefined || lease.held
  }

  /** Requests that wait or run. */
  get waiting(): number {
    return this.#mailbox.size
  }

  echo(): Uint8Array | undefined {
    return this.#echoing.of(this.owned.document)
  }

  /**
   * Refuses what waits or runs. A handler that still runs cannot change anything any more: its
   * signal fires, and what it recorded is dropped.
   */
  close(reason: Error): void {
    if (this.#closing.signal.aborted) return
    this.owned.signal.removeEventListener('abort', this.#onTenureEnd)
    this.#closing.abort(reason)
    this.#mailbox.close(reason)
    this.#init.busy.delete(this)
    this.#init.onClose()
  }

  /** @throws UnknownAgentError, OverloadedError, KeyExpiredError, SessionUnknownError, NotOwnerError */
  call(action: string, input: unknown, options: WorkOptions): Promise<Done> {
    const work = this.#workOf(action, input)
    return this.#submit(options, this.#isStrong(action) ? { strong: work } : work)
  }

  #isStrong(action: string): boolean {
    return Object.hasOwn(this.type.actions, action) && this.type.actions[action]?.part === 'strong'
  }

  /**
   * Runs an action in this very turn, where nothing waits before it. What ends at once and changes
   * nothing needs no key, no deadline and no place in the mailbox: those are most of what a call
   * within one process costs. Undefined when others are before it; then nothing has begun.
   *
   * @throws UnknownAgentError, HandlerFailure
   */
  begin(
    action: string,
    input: unknown,
    caller: Caller
  ): { readonly output: unknown } | Begun | undefined {
    // What is agreed has to be asked for first.
    if (this.#mailbox.size > 0 || !this.isOpen || this.#isStrong(action)) return undefined
    const work = this.#workOf(action, input)
    const interest = new Interest(caller, this.#closing.signal)
    this.calls++
    const handled = this.#handle(interest, work)
    const isPlain = !isThenable(handled) && handled.operations.length === 0
    if (isPlain && (handled.emitted.length === 0 || this.mayAct)) {
      interest.end()
      this.#emit(handled.emitted)
      return handled
    }
    const since = this.owned.forgotten
    return { follow: (options) => this.#follow(opened(options, since), interest, handled) }
  }

  update(operations: readonly Operation[], options: WorkOptions): Promise<Done> {
    return this.#submit(options, operations)
  }

  /** Runs reactions to a signal, all in one turn. */
  signal(
    signal: Signal,
    reactions: readonly SignalReaction<Schema>[],
    options: WorkOptions
  ): Promise<Done> {
    return this.#submit(options, reactionWork(reactions, signal))
  }

  #workOf(action: string, input: unknown): Work {
    const work = actionWork(this.type, action, input)
    if (work !== undefined) return work
    throw new UnknownAgentError(`agent type ${this.type.type} has no action ${action}`)
  }

  /** Gives what has begun its place in the mailbox, which was empty when it began. */
  #follow(
    options: WorkOptions,
    interest: Interest,
    handled: Handled | Promise<Handled>
  ): Promise<Done> {
    const name = nameOf(options.key)
    const request = new Request(interest, () => this.#await(request, name, options, handled))
    return this.#enqueue(request, name)
  }

  #submit(options: WorkOptions, work: Task): Promise<Done> {
    if (!this.isOpen) throw this.#moved()
    const { key, ack } = options
    const name = nameOf(key)
    if (name !== undefined && key !== undefined) {
      const running = this.#inFlight.get(name)
      if (running !== undefined) return this.#join(running, options, work)
      const known = this.owned.lookup(key, ack && { ack })
      if (known.status === 'known') return this.#known(name, known.commit)
      refuseForgotten(known, key)
    }
    const interest = new Interest(options.caller, this.#closing.signal)
    const request = new Request(interest, () => this.#take(request, name, options, work))
    if (this.#mailbox.size > 0) request.wait(this.#init.now(), options)
    return this.#enqueue(request, name)
  }

  #enqueue(request: Request, name: string | undefined): Promise<Done> {
    if (name !== undefined) {
      request.onEnd = () => this.#inFlight.delete(name)
      this.#inFlight.set(name, request)
    }
    try {
      this.#mailbox.add(request)
    } catch (error) {
      request.onEnd?.()
      throw error
    }
    return request.done
  }

  #join(running: Request, options: WorkOptions, work: Task): Promise<Done> {
    if (!running.interest.lost) {
      running.interest.join(options.caller)
      return running.done
    }
    // Its callers had gone, so its handler may have stopped half-way: that outcome is theirs alone.
    const again = (): Promise<Done> => this.#submit(options, work)
    return running.done.then(again, again)
  }

  async #known(name: string, commit: Promise<Commit>): Promise<Done> {
    const done = doneOf(await commit)
    this.#emit(this.#late.take(name))
    return done
  }

  /** One turn. It ends when the changes are applied; copies are waited for outside of it. */
  #take(
    request: Request,
    name: string | undefined,
    options: WorkOptions,
    work: Task
  ): void | Promise<void> {
    const uselessness = request.uselessness(this.#init.now, this.#mailbox.size === 1)
    if (uselessness !== undefined) return request.fail(uselessness)
    if (!this.mayAct) {
      return this.#whenHeld(request, options, () => this.#take(request, name, options, work))
    }
    this.calls++
    if ('strong' in work) return this.#agree(request, options, work.strong)
    if (typeof work !== 'function') return this.#apply(request, options, work)
    try {
      return this.#await(request, name, options, this.#handle(request.interest, work))
    } catch (error) {
      return request.fail(error)
    }
  }

  #handle(interest: Interest, work: Work): Handled | Promise<Handled> {
    try {
      const handled = handle(this.#parts, interest, work)
      if (!isThenable(handled)) return handled
      return handled.then(undefined, (error: unknown) => this.#failed(error))
    } catch (error) {
      return this.#failed(error)
    }
  }

  #failed(error: unknown): never {
    throw this.#noted(error)
  }

  /** Errors with a code are meant for the caller; others are failures of the agent. */
  #noted(error: unknown): unknown {
    if (error instanceof HandlerFailure && error.error.name === 'RemoteHandlerError') {
      this.lastFailure = error.error.message
      this.#init.onFailure(error.error.message)
    }
    return error
  }

  /** An action on the strong part takes its turn until what it did is agreed. */
  async #agree(request: Request, options: WorkOptions, work: Work): Promise<void> {
    const { busy, now, record, strong } = this.#init
    const { interest } = request
    const store = (output: unknown): Uint8Array => storedOutput(this.type, output)
    this.busySinceMs = now()
    busy.add(this)
    try {
      const handling = { parts: this.#parts, record, strong, interest, options, store }
      const { done, emitted } = await handleStrong(handling, work)
      this.#emit(emitted)
      request.resolve(done)
    } catch (error) {
      request.fail(this.#noted(error))
    } finally {
      this.busySinceMs = undefined
      busy.delete(this)
    }
  }

  /** Until the handler has ended, the turn is taken. */
  #await(
    request: Request,
    name: string | undefined,
    options: WorkOptions,
    handled: Handled | Promise<Handled>
  ): void | Promise<void> {
    if (!isThenable(handled)) return this.#finish(request, name, options, handled)
    const { busy, now } = this.#init
    this.busySinceMs = now()
    busy.add(this)
    const free = (): void => {
      this.busySinceMs = undefined
      busy.delete(this)
    }
    return handled
      .then((value) => {
        free()
        return this.#finish(request, name, options, value)
      })
      .catch((error: unknown) => {
        free()
        request.fail(error)
      })
  }

  #apply(request: Request, options: WorkOptions, operations: readonly Operation[]): void {
    if (operations.length === 0) {
      const { document, epoch } = this.owned
      const acknowledgement = { version: document.version, epoch, copies: 0, duplicate: false }
      return request.resolve({ acknowledgement })
    }
    this.#commit(options, operations, undefined).then(
      (commit) => request.resolve({ acknowledgement: commit }),
      (error: unknown) => request.fail(error)
    )
  }

  #finish(
    request: Request,
    name: string | undefined,
    options: WorkOptions,
    handled: Handled
  ): void | Promise<void> {
    const { output, operations, emitted } = handled
    if (!this.isOpen) return request.fail(this.#over())
    const hasEffects = operations.length > 0 || emitted.length > 0 || options.recorded === true
    if (hasEffects && !this.mayAct) {
      return this.#whenHeld(request, options, () => this.#finish(request, name, options, handled))
    }
    if (operations.length === 0 && options.recorded !== true) {
      this.#emit(emitted)
      return request.resolve({ output })
    }
    this.#commit(options, operations, output).then(
      (commit) => {
        // A merge may have brought the first run of this key while the second one ran.
        if (commit.duplicate) return request.resolve(doneOf(commit))
        this.#emit(emitted)
        request.resolve({ output, acknowledgement: commit })
      },
      (error: unknown) => {
        const applied = isFactual(error) && error.outcomeUnknown
        if (applied && emitted.length > 0) this.#late.keep(name, emitted)
        request.fail(error)
      }
    )
  }

  /**
   * A lapsed lease holds a turn, which stays taken, until it is renewed. Where another owner has
   * begun meanwhile, closing has refused the request.
   */
  #whenHeld(
    request: Request,
    { timeoutMs }: WorkOptions,
    then: () => void | Promise<void>
  ): Promise<void> {
    const held = this.#init.lease?.whenHeld({ signal: this.#closing.signal, timeoutMs })
    return Promise.resolve(held).then(then, (error: unknown) => request.fail(error))
  }

  /** Applies operations at once. Not tied to a caller: who repeats the request waits for the same. */
  async #commit(
    options: WorkOptions,
    operations: readonly Operation[],
    output: unknown
  ): Promise<Commit> {
    const { key, ack, timeoutMs } = options
    return this.owned.commit(stamped(this.type, this.owned.document, operations), {
      result: storedOutput(this.type, output),
      timeoutMs,
      ...(key === undefined ? {} : { key }),
      ...(ack === undefined ? {} : { ack })
    })
  }

  #emit(signals: readonly SignalInput[]): void {
    for (const signal of signals) this.#init.emit?.(signal)
  }

  /** For who has run already: what it did is dropped. */
  #over(): Error {
    return this.owned.signal.aborted
      ? new FencedError(`${this.id} has another owner now`, { retryable: true })
      : this.#moved()
  }

  #moved(): NotOwnerError {
    return new NotOwnerError(`${this.id} does not run here any more`)
  }
}
