import { AgentFailedError } from '@murmuration/interface'
import type { Clock, LogSink } from '@murmuration/interface'
import { Supervision } from './core/supervision.ts'
import type { AgentType } from './define.ts'

/** Lets agents rest that fail too often, and says why to whoever asks for them. */
export class Supervisor {
  readonly #clock: Clock
  readonly #log: LogSink | undefined
  /** Of agents that have failed; the others need no count. */
  readonly #failing = new Map<string, Supervision>()

  constructor(clock: Clock, log: LogSink | undefined) {
    this.#clock = clock
    this.#log = log
  }

  /** Takes in an unexpected error; gives why the agent is to be stopped, if it is. */
  failed(type: AgentType, id: string, reason: string): AgentFailedError | undefined {
    if (type.supervision === undefined) return undefined
    let supervision = this.#failing.get(id)
    if (supervision === undefined) {
      supervision = new Supervision(type.supervision)
      this.#failing.set(id, supervision)
    }
    const now = this.#clock.monotonic()
    if (supervision.failed(now, reason) === undefined) return undefined
    this.#log?.('an agent rests because it fails too often', { agent: id, reason })
    return this.#error(id, supervision)
  }

  /** @throws AgentFailedError while the agent rests */
  refuse(id: string): void {
    const supervision = this.#failing.get(id)
    if (supervision === undefined) return
    const error = this.#error(id, supervision)
    if (error !== undefined) throw error
  }

  /** Somebody has looked after it. */
  forget(id: string): void {
    this.#failing.delete(id)
  }

  #error(id: string, supervision: Supervision): AgentFailedError | undefined {
    const now = this.#clock.monotonic()
    const rest = supervision.restAt(now)
    if (rest === undefined) return undefined
    const leftMs = Math.ceil(rest.untilMs - now)
    return new AgentFailedError(
      `${id} failed too often and rests for ${leftMs} ms; the last time: ${rest.reason}`
    )
  }
}
