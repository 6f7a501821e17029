/** Runs a task later in the present turn of the event loop. */
export type Defer = (task: () => void) => void

/**
 * Runs `task` after the code that runs now and all microtasks it causes, before the event loop goes
 * on. So frames of one turn leave together, and a frame alone leaves as if it had not waited.
 *
 * `queueMicrotask` gathers less: what other microtasks append after it has run leaves apart.
 * `setImmediate` gathers what several sockets cause in one round of polling, but adds that round to
 * the time of each call.
 */
export const endOfTurn: Defer =
  typeof globalThis.process?.nextTick === 'function'
    ? (task) => globalThis.process.nextTick(task)
    : (task) => queueMicrotask(task)
