import type { Clock, Random } from '@murmuration/interface'

/** The real time; used where no other clock is given. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}

/** Cryptographic randomness; used where no other is given. */
export const systemRandom: Random = {
  next: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length))
}

/** Runs a task after the current turn of the event loop, so that what one turn posts is together. */
export function systemDefer(task: () => void): void {
  if (typeof setImmediate === 'function') {
    setImmediate(task)
  } else {
    setTimeout(task, 0)
  }
}
