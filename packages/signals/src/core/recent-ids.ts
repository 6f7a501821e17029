export interface RecentIdsInit {
  readonly windowMs: number
  readonly idsMax: number
}

/** Ids that were seen within a window of time, bounded by number; the oldest go first. */
export class RecentIds {
  readonly #init: RecentIdsInit
  /** In order of time, since each id is put at the end. */
  readonly #ids = new Map<string, number>()

  constructor(init: RecentIdsInit) {
    this.#init = init
  }

  has(id: string, now: number): boolean {
    const at = this.#ids.get(id)
    return at !== undefined && now - at < this.#init.windowMs
  }

  add(id: string, at: number): void {
    this.#ids.delete(id)
    this.#ids.set(id, at)
    for (const [oldest, seen] of this.#ids) {
      if (this.#ids.size <= this.#init.idsMax && at - seen < this.#init.windowMs) {
        break
      }
      this.#ids.delete(oldest)
    }
  }
}
