/** A peer that can do some hundred pieces of work a second. Ends with its parent. */
import { createHash } from 'node:crypto'
import { startNode } from './mesh-nodes.ts'

const bytes = new Uint8Array(1_048_576)

/** About 1 ms of a processor, however long that takes on a busy machine. */
function work(): void {
  createHash('sha256').update(bytes).digest()
}

const node = await startNode()
const answer = new Uint8Array(8)
// Works in the turn in which the request came.
node.rpc.handle('at-once', () => {
  work()
  return answer
})
// Works one after the other, as an agent does with its mailbox: what waits, waits as promises.
let last: Promise<unknown> = Promise.resolve()
let waiting = 0
node.rpc.handle('in-line', async (_request, context) => {
  waiting++
  const turn = last.then(() => {
    waiting--
    if (!context.signal.aborted) work()
  })
  last = turn
  await turn
  return answer
})
// Waits for something else than the processor.
node.rpc.handle(
  'elsewhere',
  async () => {
    await new Promise((resolve) => setTimeout(resolve, 100))
    return answer
  },
  { concurrencyMax: 100 }
)
process.on('disconnect', () => process.exit(0))
process.on('message', () => process.send?.({ rss: process.memoryUsage.rss(), waiting }))
process.send?.(node.libp2p.getMultiaddrs().map(String))
