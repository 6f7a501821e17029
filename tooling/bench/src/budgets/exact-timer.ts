import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Milliseconds of the machine's monotonic clock, which all threads read alike. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The alarm that never rings. */
const NEVER = 2n ** 62n

/** What it takes a thread to wake this one: the alarm is set so much earlier. */
const WAKING_MS = 0.1

/**
 * One alarm, exact to about a tenth of a millisecond where a core is free; timers of the event loop
 * are late by one or two milliseconds. A thread sleeps in the kernel until just before the time and
 * wakes the event loop. Nothing spins: on two cores that would slow down what is measured.
 */
export class ExactTimer {
  /** When the thread has to wake this one, in nanoseconds. */
  readonly #wakeAt = new BigInt64Array(new SharedArrayBuffer(8)).fill(NEVER)
  readonly #worker: Worker

  /** @param onDue - called at each alarm */
  static async start(onDue: () => void): Promise<ExactTimer> {
    const timer = new ExactTimer(onDue)
    await once(timer.#worker, 'online')
    return timer
  }

  private constructor(onDue: () => void) {
    this.#worker = new Worker(new URL('./exact-timer-thread.ts', import.meta.url), {
      workerData: this.#wakeAt
    })
    this.#worker.unref()
    this.#worker.on('message', onDue)
  }

  /**
   * Sets the alarm, in place of an earlier one, which may still ring.
   *
   * @param atMs - by {@link monotonicMs}
   */
  set(atMs: number): void {
    Atomics.store(this.#wakeAt, 0, BigInt(Math.round((atMs - WAKING_MS) * 1e6)))
    Atomics.notify(this.#wakeAt, 0)
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Whether something due then is due now, as exactly as the alarm is. */
export function isDue(atMs: number): boolean {
  return atMs <= monotonicMs() + WAKING_MS
}
