/** A peer in a process of its own with documents to copy. Ends with its parent. */
import { setTimeout } from 'node:timers/promises'
import { startNode } from '../../rpc/test/mesh-nodes.ts'
import { startState, textOf, write } from './repair-nodes.ts'

const SMALL = 300
const LARGE = 12

const node = await startNode()
const { state } = await startState(node.rpc)
for (let at = 0; at < SMALL; at++) await write(state, `small ${at}`, textOf(4000))
for (let at = 0; at < LARGE; at++) await write(state, 'large', textOf(180_000), at)
// What is folded in between would be another copy, of which pieces begin anew.
while (state.stats().entries > 0) await setTimeout(50)
process.on('disconnect', () => process.exit(0))
process.send?.({
  address: String(node.libp2p.getMultiaddrs()[0]),
  peer: node.peer,
  ids: state.records().map(({ id }) => id)
})
