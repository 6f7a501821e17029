import type { Clock } from '@murmuration/interface'
import type { LocalTime } from './local-time.ts'
import type { EventOwner, ScheduledEvent, Scheduler } from './scheduler.ts'

/**
 * One life of a node, from start to crash. Whatever it scheduled dies with it; while it is paused
 * (as by SIGSTOP) timers and messages wait, and on waking the timers that are due run first.
 */
export class SimulatedProcess implements EventOwner {
  readonly name: string
  /** Counts the lives of this node, from 1. */
  readonly life: number
  readonly #scheduler: Scheduler
  #alive = true
  #paused = false
  /** What waits until the paused process goes on. */
  #waiting: ScheduledEvent[] = []

  constructor(name: string, life: number, scheduler: Scheduler) {
    this.name = name
    this.life = life
    this.#scheduler = scheduler
  }

  get alive(): boolean {
    return this.#alive
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Runs a task in this process after a time; the returned function cancels it. */
  post(delayMs: number, kind: ScheduledEvent['kind'], run: () => void): () => void {
    const event = this.#scheduler.schedule(delayMs, run, this, kind)
    return () => {
      event.cancelled = true
    }
  }

  due(event: ScheduledEvent): void {
    if (!this.#alive) {
      return
    }
    if (this.#paused) {
      this.#waiting.push(event)
    } else {
      event.run()
    }
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) {
      return
    }
    this.#paused = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const kind of ['timer', 'message'] as const) {
      for (const event of waiting.filter((one) => one.kind === kind && !one.cancelled)) {
        this.#scheduler.again(event)
      }
    }
  }

  die(): void {
    this.#alive = false
    this.#waiting = []
  }

  /** The clock of this process, as its machine counts time. */
  clock(time: LocalTime): Clock {
    return {
      now: () => 1_700_000_000_000 + time.monotonic() + time.skewMs,
      monotonic: () => time.monotonic(),
      schedule: (delayMs, task) => this.post(delayMs / time.rate, 'timer', task)
    }
  }
}
