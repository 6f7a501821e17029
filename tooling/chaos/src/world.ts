import { isEarlier } from './effects.ts'
import type { Effect } from './protocol.ts'

/** An effect that was taken, and the peer that asked for it. */
export interface TakenEffect extends Effect {
  readonly owner: number
  readonly atMs: number
}

/** Something outside of the cluster that takes nothing of an older epoch than it has seen. */
export class World {
  readonly taken: TakenEffect[] = []
  #refused = 0
  readonly #newest = new Map<string, Effect['epoch']>()

  /** Effects that came too late, of owners that were replaced. */
  get refused(): number {
    return this.#refused
  }

  take(owner: number, effect: Effect): boolean {
    const newest = this.#newest.get(effect.key)
    if (newest !== undefined && isEarlier(effect.epoch, newest)) {
      this.#refused++
      return false
    }
    this.#newest.set(effect.key, effect.epoch)
    this.taken.push({ ...effect, owner, atMs: Date.now() })
    return true
  }
}
