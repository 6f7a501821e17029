import type { ForcedMark, Member, Reachability, View } from '@murmuration/interface'
import type { Exchanges, Method, RefusalReason } from './messages.ts'
import type { AcceptorState, ChainHead, Decision } from './records.ts'

/** A change of the durable state. */
export type Write =
  | { readonly type: 'acceptor'; readonly state: AcceptorState | undefined }
  | { readonly type: 'view'; readonly decision: Decision }
  | { readonly type: 'forget'; readonly number: number }
  | { readonly type: 'head'; readonly head: ChainHead }

/** A message with its kind. */
export type Sent = {
  readonly [M in Method]: { readonly method: M; readonly message: Exchanges[M][0] }
}[Method]
export type Answered = {
  readonly [M in Method]: { readonly method: M; readonly message: Exchanges[M][1] }
}[Method]

export type Counted =
  | 'views'
  | 'attempts'
  | 'attempts_failed'
  | 'vetoes'
  | 'stalls'
  | 'joins_refused'
  | 'clusters_met'
  | 'unverified'
  | 'forced'
  | 'lapses'

/** What the shell has to do. */
export type Effect =
  | {
      readonly type: 'request'
      readonly id: number
      readonly to: string
      readonly sent: Sent
      readonly timeoutMs: number
    }
  | { readonly type: 'answer'; readonly id: number; readonly answered: Answered }
  | { readonly type: 'probe'; readonly peer: string }
  | {
      readonly type: 'view'
      readonly previous: View | undefined
      readonly view: View
      readonly views: readonly View[]
      readonly settled: number
    }
  | { readonly type: 'settled'; readonly settled: number; readonly views: readonly View[] }
  | {
      readonly type: 'reachability'
      readonly peer: string
      readonly reachability: Reachability
    }
  | { readonly type: 'keep'; readonly members: readonly Member[] }
  | {
      readonly type: 'refused'
      readonly by: string
      readonly reason: RefusalReason
      readonly explanation: string
    }
  | { readonly type: 'left' }
  /** A member was heard under a boot that was not known here. */
  | { readonly type: 'started' }
  /** The lease of this peer was obtained or has lapsed. */
  | { readonly type: 'lease'; readonly held: boolean }
  | {
      readonly type: 'forced'
      readonly mark: ForcedMark
      readonly lost: readonly number[]
    }
  | {
      readonly type: 'log'
      readonly level: 'info' | 'error'
      readonly text: string
    }
  | { readonly type: 'count'; readonly name: Counted }

/**
 * The writes must be durable before the effects are carried out, and batches are carried out in
 * their order: so nothing leaves this peer that it could forget.
 */
export interface Batch {
  readonly writes: readonly Write[]
  readonly effects: readonly Effect[]
}

type Settler = (message: Answered['message'] | undefined, now: number) => void

/** Collects what the state machine wants done, and remembers who waits for which answer. */
export class Outbox {
  #writes: Write[] = []
  #effects: Effect[] = []
  #nextId = 1
  /** Each request is settled once by the shell, at the latest by its deadline: so this is bounded. */
  readonly #waiting = new Map<number, Settler>()

  write(write: Write): void {
    this.#writes.push(write)
  }

  emit(effect: Effect): void {
    this.#effects.push(effect)
  }

  log(level: 'info' | 'error', text: string): void {
    this.#effects.push({ type: 'log', level, text })
  }

  count(name: Counted): void {
    this.#effects.push({ type: 'count', name })
  }

  /** Sends a request; `done` gets the answer, or undefined where none came. */
  request<M extends Method>(
    to: string,
    method: M,
    message: Exchanges[M][0],
    timeoutMs: number,
    done: (answer: Exchanges[M][1] | undefined, now: number) => void
  ): void {
    const id = this.#nextId++
    // The shell decodes an answer by the method of its request, so the two agree.
    this.#waiting.set(id, done)
    // The pair is right by the signature; the compiler cannot see it in the union.
    const sent = { method, message } as Sent
    this.#effects.push({ type: 'request', id, to, sent, timeoutMs })
  }

  answer<M extends Method>(id: number, method: M, message: Exchanges[M][1]): void {
    // As above.
    const answered = { method, message } as Answered
    this.#effects.push({ type: 'answer', id, answered })
  }

  settle(id: number, answered: Answered | undefined, now: number): void {
    const done = this.#waiting.get(id)
    this.#waiting.delete(id)
    done?.(answered?.message, now)
  }

  drain(): Batch | undefined {
    if (this.#writes.length + this.#effects.length === 0) {
      return undefined
    }
    const batch = { writes: this.#writes, effects: this.#effects }
    this.#writes = []
    this.#effects = []
    return batch
  }
}
