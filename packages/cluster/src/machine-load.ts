import { monitorEventLoopDelay } from 'node:perf_hooks'
import { freemem, totalmem } from 'node:os'
import type { MachineLoad } from '@murmuration/agent'
import type { Clock } from '@murmuration/interface'
import { defaults } from './defaults.ts'

/** Watches how busy this process and its machine are. */
export class MachineWatch {
  readonly #clock: Clock
  readonly #lag = monitorEventLoopDelay({ resolution: 20 })
  #usage = process.cpuUsage()
  #sinceMs: number
  #last: MachineLoad = { cpu: 0, memory: 0, lagMs: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonic()
  }

  start(): void {
    this.#lag.enable()
  }

  stop(): void {
    this.#lag.disable()
  }

  /** Means since the last look, which is at most a second ago while somebody asks. */
  load(): MachineLoad {
    const now = this.#clock.monotonic()
    const passedMs = now - this.#sinceMs
    if (passedMs < defaults.loadSampleMs) return this.#last
    const { user, system } = process.cpuUsage(this.#usage)
    this.#usage = process.cpuUsage()
    this.#sinceMs = now
    this.#last = {
      // JavaScript runs on one processor: a process that fills one is full.
      cpu: Math.min(1, (user + system) / 1_000 / passedMs),
      memory: 1 - freemem() / totalmem(),
      lagMs: lagOf(this.#lag.mean)
    }
    this.#lag.reset()
    return this.#last
  }
}

/** The histogram counts nanoseconds, its own resolution included; it is empty at first. */
function lagOf(meanNs: number): number {
  return Number.isFinite(meanNs) ? Math.max(0, meanNs / 1e6 - 20) : 0
}
