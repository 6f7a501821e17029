/** The thread of `ExactTimer`: sleeps until it has to wake the other one, or until that changes. */
import { parentPort, workerData } from 'node:worker_threads'

const wakeAt = workerData as BigInt64Array // of ExactTimer
const NEVER = 2n ** 62n

function wake(): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(undefined)
}

for (;;) {
  const at = Atomics.load(wakeAt, 0)
  const remaining = Number(at - process.hrtime.bigint()) / 1e6
  if (at === NEVER) Atomics.wait(wakeAt, 0, at)
  else if (remaining > 0) Atomics.wait(wakeAt, 0, at, remaining)
  else if (Atomics.compareExchange(wakeAt, 0, at, NEVER) === at) wake()
}
