import type { Clock } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { Machine } from './core/machine.ts'
import type { Batch, Effect } from './core/outbox.ts'
import { clockDrift, suspendMaxMs, writeRetryMs } from './defaults.ts'
import type { Ledger } from './ledger.ts'

export interface EngineParts {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly log: Logger | undefined
  readonly perform: (effect: Effect) => void
}

/** Runs a machine: gives it inputs and time, makes its writes durable, then has its effects done. */
export class Engine {
  readonly #parts: EngineParts
  #machine: Machine | undefined
  #queue: Batch[] = []
  #isFlushing = false
  #isStuck = false
  #cancelTimer: (() => void) | undefined
  /** How far the wall clock was ahead of the monotonic one at the last input. */
  #aheadMs = Number.POSITIVE_INFINITY
  #aheadAt = 0

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  get machine(): Machine | undefined {
    return this.#machine
  }

  /** The store refuses writes: nothing comes in and nothing goes out until it takes them. */
  get isStuck(): boolean {
    return this.#isStuck
  }

  /** Batches that wait for the store. */
  get backlog(): number {
    return this.#queue.length
  }

  begin(machine: Machine): void {
    this.#machine = machine
    this.#aheadMs = Number.POSITIVE_INFINITY
    this.#pump()
  }

  stop(): void {
    this.#machine = undefined
    this.#queue = []
    this.#cancelTimer?.()
  }

  /** The only way to the machine: an input, then whatever it wants done. */
  enter(input: (machine: Machine, now: number) => void): void {
    const machine = this.#machine
    if (machine === undefined || this.#isStuck) {
      return
    }
    const now = this.#parts.clock.monotonic()
    this.#checkSuspended(machine, now)
    input(machine, now)
    this.#pump()
  }

  /** Until when the lease is held by the monotonic clock; not at all where that clock stood still. */
  leaseUntil(): number {
    const { clock } = this.#parts
    const machine = this.#machine
    if (machine === undefined || this.#isStuck) {
      return Number.NEGATIVE_INFINITY
    }
    if (this.#checkSuspended(machine, clock.monotonic())) {
      // Told a moment later: whoever only reads must not be called back.
      clock.schedule(0, () => this.#pump())
    }
    return machine.lease.until
  }

  /**
   * On a suspended machine the monotonic clock may stand still, and a lease seem fresh after hours.
   * The wall clock shows it; a wall clock that somebody sets does no harm beyond one renewal.
   */
  #checkSuspended(machine: Machine, now: number): boolean {
    const aheadMs = this.#parts.clock.now() - now
    // The two may drift apart slowly, but not by small steps that add up to a pause.
    const allowedMs = this.#aheadMs + clockDrift * (now - this.#aheadAt)
    const isSuspended = aheadMs > allowedMs + suspendMaxMs
    this.#aheadMs = isSuspended ? aheadMs : Math.min(aheadMs, allowedMs)
    this.#aheadAt = now
    if (isSuspended) {
      machine.suspended(now)
    }
    return isSuspended
  }

  #pump(): void {
    const machine = this.#machine
    if (machine === undefined) {
      return
    }
    for (let batch = machine.drain(); batch !== undefined; batch = machine.drain()) {
      this.#queue.push(batch)
    }
    this.#arm(machine)
    if (!this.#isFlushing) {
      void this.#flush(machine)
    }
  }

  #arm(machine: Machine): void {
    const { clock } = this.#parts
    this.#cancelTimer?.()
    const at = machine.wakeAt
    if (at !== undefined) {
      this.#cancelTimer = clock.schedule(Math.max(0, at - clock.monotonic()), () => {
        this.enter((self, now) => self.wake(now))
      })
    }
  }

  /** Carries out batches in order; the writes of all that wait share one sync. */
  async #flush(machine: Machine): Promise<void> {
    this.#isFlushing = true
    while (this.#queue.length > 0 && this.#machine === machine) {
      const batches = this.#queue
      this.#queue = []
      const writes = batches.flatMap((batch) => batch.writes)
      if (writes.length > 0) {
        await this.#persist(async () => this.#parts.ledger.write(writes), machine)
      }
      for (const effect of batches.flatMap((batch) => batch.effects)) {
        if (this.#machine === machine) {
          this.#parts.perform(effect)
        }
      }
    }
    this.#isFlushing = false
    if (this.#machine !== machine) {
      // It was stopped and perhaps started again meanwhile.
      this.#pump()
    }
  }

  /** Tries until the store takes it. Meanwhile this peer is silent, for it can promise nothing. */
  async #persist(write: () => Promise<void>, machine: Machine): Promise<void> {
    const { clock, log } = this.#parts
    while (this.#machine === machine) {
      try {
        await write()
        break
      } catch (error) {
        this.#isStuck = true
        log?.error('the store refused a write, this peer is silent until it does not: %e', error)
        await new Promise<void>((resolve) => {
          clock.schedule(writeRetryMs, resolve)
        })
      }
    }
    if (this.#isStuck) {
      this.#isStuck = false
      this.#arm(machine)
    }
  }
}
