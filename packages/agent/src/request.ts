import { AbortedError, OverloadedError, SchemaError, stackless } from '@murmuration/interface'
import type { Epoch, IdempotencyKey, VersionVector } from '@murmuration/interface'
import type { Commit } from '@murmuration/state'
import type { WorkOptions } from './activation-init.ts'
import type { AgentType } from './define.ts'
import type { Turn } from './core/mailbox.ts'
import { STEADY } from './interest.ts'
import type { Interest } from './interest.ts'
import { StoredResult } from './messages.ts'

/** How changes were acknowledged. */
export interface Acknowledgement {
  readonly version: VersionVector
  readonly epoch: Epoch
  readonly copies: number
  readonly duplicate: boolean
}

/** What a request came to. */
export interface Done {
  readonly output?: unknown
  /** Missing where a handler changed nothing. */
  readonly acknowledgement?: Acknowledgement
}

interface Settle {
  resolve(done: Done): void
  reject(error: unknown): void
}

/** A request in the mailbox, and those who wait for it. */
export class Request implements Turn {
  readonly interest: Interest
  readonly done: Promise<Done>
  /** Where others were before it: until when it is of use to wait. */
  #patientUntilMs: number | undefined
  onEnd: (() => unknown) | undefined
  readonly #work: () => void | Promise<void>
  #settle: Settle | undefined

  constructor(interest: Interest, work: () => void | Promise<void>) {
    this.interest = interest
    this.#work = work
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
  }

  /** Others are before it, and its caller waits for so long in all; who is steady waits for ever. */
  wait(nowMs: number, { caller, timeoutMs }: Pick<WorkOptions, 'caller' | 'timeoutMs'>): void {
    // The other half is for the handler, and for both ways.
    this.#patientUntilMs = caller === STEADY ? Number.POSITIVE_INFINITY : nowMs + timeoutMs / 2
  }

  /**
   * Why its turn is of no use, if so. One that comes late is begun only where nothing else waits: else
   * a mailbox with more than can be done serves what has no time left, and answers nothing in time.
   */
  uselessness(now: () => number, isLast: boolean): Error | undefined {
    if (this.#patientUntilMs === undefined) return undefined
    if (this.interest.lost) return new AbortedError('the caller went away before its turn')
    if (isLast || now() <= this.#patientUntilMs) return undefined
    const why = 'the request waited for half of its time and was not begun'
    return stackless(() => new OverloadedError(why))
  }

  take(): void | Promise<void> {
    return this.#settle === undefined ? undefined : this.#work()
  }

  refuse(reason: Error): void {
    this.fail(reason)
  }

  resolve(done: Done): void {
    this.#end()?.resolve(done)
  }

  fail(error: unknown): void {
    this.#end()?.reject(error)
  }

  /** Forgets the key before anybody learns the outcome, so that nobody joins what has ended. */
  #end(): Settle | undefined {
    const settle = this.#settle
    if (settle === undefined) return undefined
    this.#settle = undefined
    this.interest.end()
    this.onEnd?.()
    return settle
  }
}

/** A key by one text. */
export function nameOf(key: IdempotencyKey | undefined): string | undefined {
  return key === undefined ? undefined : `${key.session}:${key.sequence}`
}

/** With a key that is made now, at the owner. */
export function opened(options: WorkOptions, since: readonly number[]): WorkOptions {
  const { key } = options
  return key === undefined || since.length === 0 ? options : { ...options, key: { ...key, since } }
}

/** What a commit left under its key. */
export function doneOf(commit: Commit): Done {
  const { output } = StoredResult.decode(commit.result)
  return output === undefined ? { acknowledgement: commit } : { output, acknowledgement: commit }
}

/** An output as it is kept with its change. @throws SchemaError where it cannot be encoded */
export function storedOutput({ type }: AgentType, output: unknown): Uint8Array {
  try {
    return StoredResult.encode(output === undefined ? {} : { output })
  } catch (error) {
    throw new SchemaError(`an output of ${type} cannot be kept: ${String(error)}`, {
      cause: error
    })
  }
}
