import { payloadBytes } from './node.ts'
import type { BenchNode } from './node.ts'

/** How a peer publishes for a while: at a rate, or as fast as so many at once can. */
export interface Publishing {
  readonly seconds: number
  readonly perSecond?: number
  readonly width?: number
}

/** What a peer has received: how many, and how late, by author. Times in milliseconds. */
export interface Report {
  readonly count: number
  readonly latencies: Readonly<Record<string, readonly number[]>>
  /** What its bus has counted since it was started, by event. */
  readonly counters: Readonly<Record<string, number>>
}

/** One clock for all processes of a machine, finer than the milliseconds of `Date`. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

export async function publishFor(
  node: BenchNode,
  index: number,
  { perSecond, seconds, width = 1 }: Publishing
): Promise<number> {
  let sent = 0
  const one = async (): Promise<void> => {
    const payload = new Uint8Array(payloadBytes)
    const view = new DataView(payload.buffer)
    view.setUint8(0, index)
    view.setFloat64(1, now())
    sent += 1
    await node.publish(payload)
  }
  const begun = performance.now()
  const end = begun + seconds * 1000
  if (perSecond === undefined) {
    const worker = async (): Promise<void> => {
      while (performance.now() < end) await one()
    }
    await Promise.all(Array.from({ length: width }, worker))
    return sent
  }
  // An open loop: a slow publication does not make the next one late.
  const pending: Promise<void>[] = []
  while (performance.now() < end) {
    const due = Math.floor(((performance.now() - begun) / 1000) * perSecond)
    while (sent <= due) pending.push(one())
    // A look at the clock each millisecond would cost the publisher as much as its signals do.
    const next = begun + (sent * 1000) / perSecond - performance.now()
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, Math.ceil(next))))
  }
  await Promise.all(pending)
  return sent
}

/** Counts what comes; keeps the latencies of at most so many. */
export class Received {
  #count = 0
  #latencies = new Map<number, number[]>()

  take(payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
    this.#count += 1
    const author = view.getUint8(0)
    const list = this.#latencies.get(author) ?? []
    if (list.length < 20_000) list.push(now() - view.getFloat64(1))
    this.#latencies.set(author, list)
  }

  reset(): void {
    this.#count = 0
    this.#latencies = new Map()
  }

  report(): Omit<Report, 'counters'> {
    return { count: this.#count, latencies: Object.fromEntries(this.#latencies) }
  }
}
