/**
 * What it costs to give a peer the documents that it should have: one that lost its disk, and replicas
 * that have everything when another owner comes. Three peers over loopback sockets in one process.
 * `node packages/state/test/repair.bench.ts [documents] [bytes of each]`
 */
import type { CallOptions, Rpc } from '@murmuration/interface'
import { introduce, startNode } from '../../rpc/test/mesh-nodes.ts'
import type { StateService } from '../src/state.ts'
import { Views } from './fake-membership.ts'
import { recordOf, startState, textOf, write } from './repair-nodes.ts'

const [count = 2000, size = 1500] = process.argv.slice(2).map(Number)
const bytes = new Map<string, number>()

function counted(rpc: Rpc): Rpc {
  const add = (method: string, length: number): void => {
    bytes.set(method, (bytes.get(method) ?? 0) + length)
  }
  return {
    peer: rpc.peer,
    start: () => {},
    stop: () => {},
    handle: (...handler) => rpc.handle(...handler),
    handleStream: (...handler) => rpc.handleStream(...handler),
    unhandle: (method) => rpc.unhandle(method),
    call: async (peer, method, request, options) => {
      const reply = await rpc.call(peer, method, request, options)
      add(method, request.length + reply.length)
      return reply
    },
    async *stream(peer: string, method: string, request: Uint8Array, options?: CallOptions) {
      add(method, request.length)
      for await (const item of rpc.stream(peer, method, request, options)) {
        add(method, item.length)
        yield item
      }
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}

async function measure(what: string, isDone: () => boolean): Promise<void> {
  bytes.clear()
  const began = performance.now()
  await until(isDone)
  const ms = Math.round(performance.now() - began)
  const total = [...bytes.values()].reduce((sum, each) => sum + each, 0)
  console.log(`${what}: ${ms} ms, ${total} bytes`, Object.fromEntries(bytes))
}

const nodes = await Promise.all([1, 2, 3].map(() => startNode()))
for (const from of nodes) {
  for (const to of nodes) if (from !== to) await introduce(from, to)
}
const rpcs = nodes.map(({ rpc }) => counted(rpc))
const views = new Views()
const members = nodes.map(({ peer }) => ({ peer, incarnation: `${peer}.1` }))
views.add(members)
const peers: Awaited<ReturnType<typeof startState>>[] = []
for (const [at, rpc] of rpcs.entries()) {
  peers.push(await startState(rpc, { views, incarnation: members[at]!.incarnation }))
}

views.onSettled(() => peers.forEach(({ membership }) => membership.learnSettled(views.settled)))

function ownerOf(name: string): StateService {
  const owner = peers[0]?.state.placement()?.ownerOf(recordOf(name))?.peer
  return peers[members.findIndex(({ peer }) => peer === owner)]!.state
}

function isSafe(here: readonly { readonly state: StateService }[]): boolean {
  return here.every(({ state }) => {
    const { documents, entries, unsettled } = state.stats()
    return documents === count && unsettled === 0 && entries === 0
  })
}

function newView(here: readonly number[]): void {
  const { number } = views.add(here.map((at) => members[at]!))
  for (const at of here) peers[at]?.membership.learn(number)
}

let next = 0
const worker = async (): Promise<void> => {
  while (next < count) {
    const name = `number ${next++}`
    await write(ownerOf(name), name, textOf(size))
  }
}
await Promise.all(Array.from({ length: 50 }, worker))
// Folded, and so at rest.
await until(() =>
  peers.every(({ state }) => state.stats().documents === count && state.stats().entries === 0)
)

await peers[2]!.state.stop()
members[2] = { peer: members[2]!.peer, incarnation: `${members[2]!.incarnation}.wiped` }
peers[2] = await startState(rpcs[2]!, { views, incarnation: members[2].incarnation })
newView([0, 1, 2])
const safe = (here: typeof peers) => () => isSafe(here) && views.settled === views.all.length
await measure(`a peer without its disk, ${count} documents`, safe(peers))

await peers[0]!.state.stop()
newView([1, 2])
await measure('an owner leaves, and the others have everything', safe(peers.slice(1)))
process.exit(0)
