import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import type { Rpc } from '@murmuration/interface'
import { createLocalRpc } from '@murmuration/rpc'
import { z } from 'zod'

/** What peers of a cluster ask of each other. */
export interface RecordedCalls {
  /** All that a peer answers to, and whether by a stream. */
  readonly methods: ReadonlyMap<string, { readonly isStream: boolean }>
  /** Requests as peers have sent them, some of each method that was called. */
  readonly requests: ReadonlyMap<string, readonly Uint8Array[]>
}

const samplesMax = 40

/** The agents of the recorded peers; the attacked one has `probe` of its own. */
const probe = defineAgent({
  type: 'probe',
  state: { count: counter() },
  strong: { sum: z.number().default(0) },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state, emit }) {
        state.count.increment(input)
        emit({ type: 'probe.added', data: input })
        return state.count.value
      }
    }
  }
})
const pinned = defineAgent({
  type: 'pinned',
  placement: 'pinned',
  state: { count: counter() },
  actions: {}
})

/**
 * Plays a small cluster in this process, with all that its peers do for each other, and records it.
 * Nothing else may use rpc in this process meanwhile.
 */
export async function recordCalls(): Promise<RecordedCalls> {
  const methods = new Map<string, { isStream: boolean }>()
  const requests = new Map<string, Uint8Array[]>()
  const stop = tap(methods, requests)
  try {
    await play()
  } finally {
    stop()
  }
  return { methods, requests }
}

/** All services for remote calls in this process have one prototype. */
function tap(
  methods: Map<string, { isStream: boolean }>,
  requests: Map<string, Uint8Array[]>
): () => void {
  // That of the class, which is not exported: it has these methods.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const shared = Object.getPrototypeOf(createLocalRpc({ peer: 'tap' })) as Pick<
    Rpc,
    'handle' | 'handleStream' | 'call' | 'stream'
  >
  const { handle, handleStream, call, stream } = shared
  const note = (method: string, request: Uint8Array): void => {
    const samples = requests.get(method) ?? []
    requests.set(method, samples)
    if (samples.length < samplesMax) samples.push(request.slice())
  }
  shared.handle = function (method, ...rest) {
    methods.set(method, { isStream: false })
    handle.call(this, method, ...rest)
  }
  shared.handleStream = function (method, ...rest) {
    methods.set(method, { isStream: true })
    handleStream.call(this, method, ...rest)
  }
  shared.call = async function (peer, method, request, options) {
    note(method, request)
    return await call.call(this, peer, method, request, options)
  }
  shared.stream = function (peer, method, request, options) {
    note(method, request)
    return stream.call(this, peer, method, request, options)
  }
  return () => Object.assign(shared, { handle, handleStream, call, stream })
}

async function play(): Promise<void> {
  const common = {
    name: 'fort',
    secret: 'the secret of those who are recorded',
    agents: [probe, pinned],
    kademlia: true,
    hints: true,
    listen: ['/ip4/127.0.0.1/tcp/0']
  }
  const first = await createCluster(common)
  const inits = [{}, { role: 'edge' as const }]
  const others = await Promise.all(
    inits.map((init) => createCluster({ ...common, ...init, bootstrap: first.addresses }))
  )
  const peers = [first, ...others]
  try {
    await Promise.all(peers.map((peer) => peer.ready()))
    const edge = others.at(-1)
    if (edge === undefined) throw new Error('no edge peer')
    for (const peer of peers) peer.signals.subscribe('**', () => {})
    await first.signals.subscribeDurably('probe.*', () => {}, { name: 'books' })
    for (let round = 0; round < 2; round++) {
      for (const peer of peers) {
        const ref = peer.agent(probe, `k${round}`)
        await ref.call('add', round)
        await ref.state()
        await ref.update((draft) => draft.count.increment(1))
        await ref.update((draft) => void (draft.sum += 1), { consistency: 'strong' })
        await peer.signals.publish({ type: 'probe.heard', data: round })
        await peer.agent(pinned, edge.peerId).update((draft) => draft.count.increment(1))
      }
      await first.discovery?.actions()
    }
    await others[0]?.recovery.survey()
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
  }
}
