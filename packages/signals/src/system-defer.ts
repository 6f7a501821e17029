/** Runs a task after the current turn of the event loop, so that what one turn posts is together. */
export function systemDefer(task: () => void): void {
  if (typeof setImmediate === 'function') {
    setImmediate(task)
  } else {
    setTimeout(task, 0)
  }
}
