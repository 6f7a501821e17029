/**
 * The clock and the randomness of this machine: what packages use where nobody gave them others.
 *
 * @packageDocumentation
 */
import type { Clock, Random } from '@murmuration/interface'

/** The real time. Its timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}

/** Real randomness, from the platform's cryptographic generator. */
export const systemRandom: Random = {
  next: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length))
}
