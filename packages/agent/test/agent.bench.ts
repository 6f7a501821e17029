/**
 * What the agent layer itself costs per call, over real documents and without a network or disk:
 * `node packages/agent/test/agent.bench.ts`.
 */
import { createDocument, counter } from '@murmuration/crdt'
import { createAgents, defineAgent } from '@murmuration/agent'
import type { AgentComponents } from '@murmuration/agent'
import type { Rpc, RpcHandler } from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import type { Commit, OwnedDocument } from '@murmuration/state'
import { z } from 'zod'
import { viewOf } from './fake-cluster.ts'

const type = defineAgent({
  type: 'bench',
  state: { n: counter() },
  actions: {
    peek: { input: z.null(), output: z.number(), run: ({ state }) => state.n.value },
    sum: {
      input: z.object({ values: z.array(z.number()), note: z.string() }),
      output: z.number(),
      run: ({ input }) => input.values.length
    },
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.n.increment(input)
        return state.n.value
      }
    }
  }
})

const view = viewOf(1, ['a'])
const clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs: number, task: () => void) {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}
const noEvents = { addEventListener: () => undefined, removeEventListener: () => undefined }

/** Commits at once, so that only the agent layer and the document are measured. */
function ownedDocument(): OwnedDocument {
  const document = createDocument()
  const epoch = { view: 1, boot: 1 }
  let tick = 0
  return {
    record: type.record('k'),
    epoch,
    signal: new AbortController().signal,
    document,
    lookup: () => ({ status: 'new' }),
    includes: () => true,
    forgotten: [],
    commit(operations, options = {}) {
      document.execute(operations, { writer: 'w', stamp: { time: 1, tick: tick++ } })
      const commit: Commit = {
        result: options.result ?? new Uint8Array(0),
        version: document.version,
        epoch,
        copies: 1,
        duplicate: false
      }
      return Promise.resolve(commit)
    }
  }
}

const owned = ownedDocument()
const handlers = new Map<string, RpcHandler>()
const rpcOf = (peer: string): Rpc => ({
  peer,
  start: () => undefined,
  stop: () => undefined,
  handle: (method, handler) => void (peer === 'a' && handlers.set(method, handler)),
  handleStream: () => undefined,
  unhandle: () => undefined,
  call: async (_, method, request) => {
    const handler = handlers.get(method)
    if (handler === undefined) throw new Error(method)
    return handler(request, {
      peer,
      remainingMs: 10_000,
      get signal(): AbortSignal {
        throw new Error('a signal was made for nothing')
      }
    })
  },
  stream: () => {
    throw new Error('not measured')
  }
})

const componentsOf = (peer: string): AgentComponents => ({
  rpc: rpcOf(peer),
  clock,
  random: { next: () => 0.5, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
  // Only what calls use.
  membership: { view, ...noEvents } as unknown as AgentComponents['membership'],
  state: {
    ...noEvents,
    placement: () => placement,
    own: () => Promise.resolve(owned)
  } as unknown as AgentComponents['state']
})
const placement = createPlacement(view)

const here = createAgents(componentsOf('a'), { types: [type] })
const elsewhere = createAgents(componentsOf('b'), { types: [type] })
await here.start()
await elsewhere.start()

async function measure(name: string, call: () => Promise<unknown>): Promise<void> {
  const rounds = 20_000
  for (let i = 0; i < rounds; i++) await call()
  const times: number[] = []
  for (let pass = 0; pass < 5; pass++) {
    // Time of this thread only, so that a busy machine does not count.
    const began = process.threadCpuUsage()
    for (let i = 0; i < rounds; i++) await call()
    const { user, system } = process.threadCpuUsage(began)
    times.push((user + system) / rounds)
  }
  console.log(`${name.padEnd(44)} ${Math.min(...times).toFixed(2)} µs`)
}

const input = { values: [1, 2, 3, 4], note: 'a note of some length' }
const schema = type.actions.sum.input
const local = here.agent(type, 'k')
const remote = elsewhere.agent(type, 'k')
await measure('zod alone, small object', async () => schema['~standard'].validate(input))
await measure('local call that reads', () => local.call('peek', null))
await measure('local call that reads, object as input', () => local.call('sum', input))
await measure('local call that changes', () => local.call('add', 1))
await measure('call to another peer that reads, no network', () => remote.call('peek', null))
await measure('call to another peer that changes, no network', () => remote.call('add', 1))
await measure('document alone: draft, increment, execute', async () => {
  const { draft, operations } = owned.document.draft(type.state)
  draft.n.increment(1)
  await owned.commit(operations)
  return draft.n.value
})
await here.stop()
await elsewhere.stop()
