/** A batch that was sent a moment ago, and who got it. */
export interface RecentBatch {
  readonly first: number
  readonly signals: readonly Uint8Array[]
  readonly durable: boolean
  readonly bytes: number
  readonly at: number
  readonly reached: Set<string>
  /** Number of the last attempt to send it. */
  attempt: number
  /** How many of the attempts were for peers that subscribed late. */
  resends: number
}

export interface RecentBatchesInit {
  readonly lingerMs: number
  readonly batchesMax: number
  readonly bytesMax: number
  readonly resendsMax: number
}

/**
 * What was sent on one topic in the last moment, for peers whose subscription was not known yet.
 * Bounded by age, number and bytes; the oldest goes first.
 */
export class RecentBatches {
  readonly #init: RecentBatchesInit
  #batches: RecentBatch[] = []
  #bytes = 0
  readonly #late = new Set<string>()

  constructor(init: RecentBatchesInit) {
    this.#init = init
  }

  add(batch: RecentBatch): void {
    this.#batches.push(batch)
    this.#bytes += batch.bytes
    this.#trim(batch.at)
  }

  /** The first sequence that is still kept. */
  since(now: number): number | undefined {
    this.#trim(now)
    return this.#batches[0]?.first
  }

  /** A peer subscribed; returns whether there is something it may have missed. */
  joined(peer: string, now: number): boolean {
    this.#trim(now)
    if (this.#batches.every((batch) => batch.reached.has(peer))) {
      return false
    }
    this.#late.add(peer)
    return true
  }

  /** The batches that a late peer lacks and that may be sent once more. */
  due(now: number): readonly RecentBatch[] {
    this.#trim(now)
    const due = this.#batches.filter(
      (batch) =>
        batch.resends < this.#init.resendsMax &&
        [...this.#late].some((peer) => !batch.reached.has(peer))
    )
    if (due.length === 0) {
      this.#late.clear()
    }
    return due
  }

  #trim(now: number): void {
    const { lingerMs, batchesMax, bytesMax } = this.#init
    let head = this.#batches[0]
    while (
      head !== undefined &&
      (head.at + lingerMs <= now || this.#batches.length > batchesMax || this.#bytes > bytesMax)
    ) {
      this.#batches.shift()
      this.#bytes -= head.bytes
      head = this.#batches[0]
    }
  }
}
