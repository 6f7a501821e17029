import type { LogSink, SignalInput } from '@murmuration/interface'
import { defaults } from './defaults.ts'

/** Signals of changes whose copies were not confirmed in time: a repetition may confirm them. */
export class LateSignals {
  readonly #id: string
  readonly #log: LogSink | undefined
  readonly #late = new Map<string, readonly SignalInput[]>()

  constructor(id: string, log: LogSink | undefined) {
    this.#id = id
    this.#log = log
  }

  /** @param name - of the key of the change; without one nobody will ask again */
  keep(name: string | undefined, emitted: readonly SignalInput[]): void {
    if (name !== undefined) this.#late.set(name, emitted)
    const oldest = this.#late.keys().next()
    const isFull = this.#late.size > defaults.lateEmitsMax
    if (isFull && oldest.done !== true) this.#late.delete(oldest.value)
    if (isFull || name === undefined) {
      this.#log?.(`${this.#id}: signals are dropped, because their changes may be lost`)
    }
  }

  take(name: string): readonly SignalInput[] {
    const late = this.#late.get(name) ?? []
    this.#late.delete(name)
    return late
  }
}
