import type { Schema } from '@murmuration/crdt'
import {
  AbortedError,
  InvalidParametersError,
  KeyExpiredError,
  NotOwnerError,
  UnknownAgentError
} from '@murmuration/interface'
import type {
  AckLevel,
  AgentRecord,
  IdempotencyKey,
  Operation,
  Signal,
  SignalInput
} from '@murmuration/interface'
import type { Commit, OwnedDocument } from '@murmuration/state'
import { defaults } from './defaults.ts'
import type { AgentType, HandlerContext, SignalReaction } from './define.ts'
import { Mailbox } from './mailbox.ts'
import { StoredResult } from './messages.ts'
import { validate } from './tool.ts'

/** What a request came to. */
export interface Done {
  readonly output?: unknown
  /** Missing where nothing was changed. */
  readonly commit?: Commit
}

/** Limits of one request. */
export interface WorkOptions {
  readonly key?: IdempotencyKey | undefined
  readonly ack?: AckLevel | undefined
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

export interface ActivationInit {
  readonly type: AgentType
  readonly record: AgentRecord
  readonly key: string
  readonly owned: OwnedDocument
  readonly mailboxMax: number
  readonly emit: (signal: SignalInput) => void
}

/** One running agent: its owned document and its mailbox. */
export class Activation {
  readonly #init: ActivationInit
  readonly #mailbox: Mailbox
  /** Keyed requests that wait or run, so that a repetition joins the first one. */
  readonly #inFlight = new Map<string, Promise<Done>>()
  lastUsedMs = 0
  calls = 0

  constructor(init: ActivationInit) {
    this.#init = init
    this.#mailbox = new Mailbox(init.mailboxMax)
  }

  get owned(): OwnedDocument {
    return this.#init.owned
  }

  get type(): AgentType {
    return this.#init.type
  }

  get waiting(): number {
    return this.#mailbox.size
  }

  call(action: string, input: unknown, options: WorkOptions): Promise<Done> {
    const definition = Object.hasOwn(this.type.actions, action)
      ? this.type.actions[action]
      : undefined
    if (definition === undefined) {
      return Promise.reject(
        new UnknownAgentError(`agent type ${this.type.type} has no action ${action}`)
      )
    }
    return this.#once(options, async (emitted) => {
      const valid = await validate(definition.input, input, `input of ${this.type.type}.${action}`)
      return this.#handle(options, emitted, async (context) => {
        const output = await definition.run({ ...context, input: valid })
        return validate(definition.output, output, `output of ${this.type.type}.${action}`)
      })
    })
  }

  update(operations: readonly Operation[], options: WorkOptions): Promise<Done> {
    return this.#once(options, async () => {
      const commit = this.#commit(operations, undefined, options)
      return { committed: commit.then((done) => ({ commit: done })) }
    })
  }

  /** Runs the reactions of this type that match the signal. */
  signal(
    signal: Signal,
    reactions: readonly SignalReaction<Schema>[],
    options: WorkOptions
  ): Promise<Done> {
    return this.#once(options, (emitted) =>
      this.#handle(options, emitted, async (context) => {
        for (const reaction of reactions) await reaction(signal, context)
      })
    )
  }

  /**
   * Takes a turn in the mailbox. The turn ends when the changes are applied; the promise resolves
   * when they are acknowledged, so that many requests share one sync.
   */
  async #once(
    options: WorkOptions,
    work: (emitted: SignalInput[]) => Promise<{ readonly committed: Promise<Done> }>
  ): Promise<Done> {
    const name = options.key === undefined ? undefined : keyName(options.key)
    if (name !== undefined && options.key !== undefined) {
      const running = this.#inFlight.get(name)
      if (running !== undefined) return running
      const known = this.owned.lookup(options.key)
      if (known.status === 'expired') throw new KeyExpiredError(`key ${name} was confirmed before`)
      if (known.status === 'known') return known.commit.then(doneOf)
    }
    const emitted: SignalInput[] = []
    const turn = this.#mailbox.run(() => {
      if (this.owned.signal.aborted) throw new NotOwnerError(`${this.#init.record.id} has moved`)
      if (options.signal.aborted) throw new AbortedError('the caller went away before its turn')
      this.calls++
      return work(emitted)
    })
    const done = turn.then(({ committed }) => committed)
    if (name !== undefined) {
      this.#inFlight.set(name, done)
      const forget = (): void => void this.#inFlight.delete(name)
      done.then(forget, forget)
    }
    const result = await done
    for (const signal of emitted) this.#init.emit(signal)
    return result
  }

  async #handle(
    options: WorkOptions,
    emitted: SignalInput[],
    run: (context: HandlerContext<Schema>) => Promise<unknown>
  ): Promise<{ readonly committed: Promise<Done> }> {
    const { record, key } = this.#init
    const { draft, operations } = this.owned.document.draft(this.type.state)
    const output = await run({
      state: draft,
      id: record.id,
      key,
      epoch: this.owned.epoch,
      signal: options.signal,
      emit: (signal) => {
        if (emitted.length >= defaults.emitMax) {
          throw new InvalidParametersError(`a handler may emit ${defaults.emitMax} signals at most`)
        }
        emitted.push(signal)
      }
    })
    if (operations.length === 0) return { committed: Promise.resolve({ output }) }
    const commit = this.#commit(operations, output, options)
    return { committed: commit.then((done) => ({ ...doneOf(done), output })) }
  }

  #commit(
    operations: readonly Operation[],
    output: unknown,
    options: WorkOptions
  ): Promise<Commit> {
    const { key, ack, signal, timeoutMs } = options
    return this.owned.commit(operations, {
      result: StoredResult.encode(output === undefined ? {} : { output }),
      signal,
      timeoutMs,
      ...(key === undefined ? {} : { key }),
      ...(ack === undefined ? {} : { ack })
    })
  }
}

function doneOf(commit: Commit): Done {
  const { output } = StoredResult.decode(commit.result)
  return output === undefined ? { commit } : { output, commit }
}

function keyName(key: IdempotencyKey): string {
  return `${key.session}:${key.sequence}`
}
