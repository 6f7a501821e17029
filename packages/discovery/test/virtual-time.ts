import type { Clock, Random } from '@murmuration/interface'

/** A clock that moves only when told, and lets promises settle between its timers. */
export interface VirtualClock extends Clock {
  advance(ms: number): Promise<void>
  readonly timers: number
}

export function createVirtualClock(): VirtualClock {
  let now = 0
  let order = 0
  const timers = new Map<number, { at: number; task: () => void }>()
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn++) {
      await Promise.resolve()
    }
  }
  return {
    now: () => 1_700_000_000_000 + now,
    monotonic: () => now,
    schedule: (delayMs, task) => {
      const id = order++
      timers.set(id, { at: now + Math.max(0, delayMs), task })
      return () => timers.delete(id)
    },
    get timers() {
      return timers.size
    },
    advance: async (ms) => {
      const end = now + ms
      await settle()
      for (;;) {
        let first: [number, { at: number; task: () => void }] | undefined
        for (const entry of timers) {
          if (entry[1].at <= end && (first === undefined || entry[1].at < first[1].at)) {
            first = entry
          }
        }
        if (first === undefined) {
          break
        }
        timers.delete(first[0])
        now = Math.max(now, first[1].at)
        first[1].task()
        await settle()
      }
      now = end
    }
  }
}

/** Mulberry32: equal seeds give equal runs. */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) }
}
