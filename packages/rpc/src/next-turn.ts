/**
 * Runs a task in the next turn of the event loop, after I/O. Without `setImmediate` (browsers) a
 * timer is the nearest thing.
 */
export const nextTurn: (task: () => void) => void =
  typeof globalThis.setImmediate === 'function'
    ? (task) => void globalThis.setImmediate(task)
    : (task) => void globalThis.setTimeout(task, 0)
