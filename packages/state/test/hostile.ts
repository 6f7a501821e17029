import { pathToFileURL } from 'node:url'
import type { Random, RpcContext, RpcStreamHandler } from '@murmuration/interface'
import { createRandom, createSimulation } from '@murmuration/testkit'
import { DocumentCopy } from '../src/core/document-copy.ts'
import { createEntry, decodeEntry } from '../src/core/entry.ts'
import { appendRequest, decodeState, encodeState, putRequest } from '../src/core/messages.ts'
import { smallStreams } from './stream-scenarios.ts'
import { pick, World } from './world.ts'

/*
 * Mutated frames of a member that has turned, against a replica and an owner with documents: requests,
 * openings of streams, and answers to what it was asked. Run:
 * node packages/state/test/hostile.ts [--count 100000] [--seed 1] [--answers 20000]. Ends with an error at the first frame
 * that crashes, stalls for over 50 ms, leads to an error without a name of ours, or leaves a copy that
 * is not what its parts make of it.
 */

const STALL_MS = 50
const IDS = ['test/doc/a', 'test/doc/b', 'test/pinned/p0']

interface Frame {
  readonly peer: string
  readonly method: string
  readonly bytes: Uint8Array
  readonly call: RpcContext
  /** Resolves when the handler is done, also one that answers with a stream. */
  readonly handler: (bytes: Uint8Array, call: RpcContext) => Promise<unknown>
}

/**
 * A world that has worked for a while, and the frames that its peers have sent each other. With streams
 * whatever is a whole copy comes as one.
 */
async function prepare(isStreaming: boolean): Promise<{ world: World; frames: readonly Frame[] }> {
  const simulation = createSimulation({ seed: 7 })
  const frames: Frame[] = []
  const counts = new Map<string, number>()
  const node = simulation.node.bind(simulation)
  simulation.node = (name) => {
    const made = node(name)
    const take = (frame: Omit<Frame, 'peer'>): void => {
      const count = counts.get(frame.method) ?? 0
      // Some of each kind, early and late ones.
      if (frame.method.startsWith('state.') && (count < 30 || count % 50 === 0) && count < 3_000) {
        frames.push({ ...frame, bytes: frame.bytes.slice(), peer: name })
      }
      counts.set(frame.method, count + 1)
    }
    const handle = made.rpc.handle.bind(made.rpc)
    made.rpc.handle = (method, handler, options) =>
      handle(
        method,
        (bytes, call) => {
          take({ method, bytes, call, handler: async (...sent) => handler(...sent) })
          return handler(bytes, call)
        },
        options
      )
    const handleStream = made.rpc.handleStream.bind(made.rpc)
    made.rpc.handleStream = (method, handler, options) =>
      handleStream(
        method,
        (bytes, call) => {
          take({ method, bytes, call, handler: toEnd(handler) })
          return handler(bytes, call)
        },
        options
      )
    return made
  }
  const world = new World(simulation, 4)
  if (isStreaming) world.streams = smallStreams
  await work(world)
  return { world, frames }
}

function toEnd(handler: RpcStreamHandler): (bytes: Uint8Array, call: RpcContext) => Promise<void> {
  return async (bytes, call) => {
    for await (const _ of handler(bytes, call));
  }
}

/** Updates, and views that make its peers hand over. With a liar among them some are not answered. */
async function work(world: World, hasLiar = false): Promise<void> {
  const { simulation } = world
  world.newView(world.peers)
  for (const peer of world.peers) await simulation.wait(world.start(peer))
  await simulation.run(200)
  for (let sequence = 0; sequence < 30; sequence++) {
    for (const id of IDS) {
      const owner = world.ownerOf(id)?.name ?? ''
      const kind = sequence % 3 === 0 ? ('add' as const) : ('count' as const)
      const update = kind === 'add' ? { kind } : { kind, by: 1 }
      const removal = { kind: 'remove', tag: `s:${sequence - 2}` } as const
      const asked = simulation.wait(
        world.request('c', owner, {
          id,
          session: 's',
          sequence,
          lowest: Math.max(0, sequence - 9),
          update: sequence % 5 === 2 ? removal : update
        })
      )
      await (hasLiar ? asked.catch(() => {}) : asked)
    }
    if (sequence === 15) world.newView(world.peers.slice(0, 3))
    await simulation.run(60)
  }
  world.newView(world.peers)
  await simulation.run(3_000)
}

function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  const next = (below: number): number => Math.floor(random.next() * below)
  const result = bytes.slice()
  const at = next(result.length)
  switch (next(6)) {
    case 0:
      return result.slice(0, at)
    case 1:
      for (let i = 0; i < 9 && at + i < result.length; i++) result[at + i] = 255
      return result
    case 2:
      return Uint8Array.from([...result.slice(0, at), ...result.slice(at + next(8))])
    default:
      for (let flips = 1 + next(3); flips > 0; flips--) result[next(result.length)] = next(256)
      return result
  }
}

/** Half of the frames are well formed, and what is in them is not: they get past the first checks. */
function forged(frame: Frame, random: Random): Uint8Array {
  const within = random.next() < 0.8
  try {
    if (within && frame.method === 'state.append') {
      const request = appendRequest.decode(frame.bytes)
      const documents = request.documents.map((document) => ({
        ...document,
        entries: document.entries.map((bytes) => forgedEntry(bytes, random))
      }))
      return appendRequest.encode({ ...request, documents })
    }
    if (within && frame.method === 'state.put') {
      const request = putRequest.decode(frame.bytes)
      const states = request.states.map((bytes) => forgedState(bytes, random))
      return putRequest.encode({ ...request, states })
    }
  } catch {
    // What was forged cannot even be said: the bytes are mutated as they are.
  }
  return mutated(frame.bytes, random)
}

function forgedEntry(bytes: Uint8Array, random: Random): Uint8Array {
  const entry = decodeEntry(bytes)
  const far = Math.floor(random.next() * 2 ** pick(random, [3, 12, 41, 53]))
  const [one] = entry.voids
  const other = { key: entry.key, mark: 1, count: entry.count, offsets: [far, 0] }
  return pick(random, [
    () => mutated(bytes, random),
    () => createEntry({ ...entry, delta: mutated(entry.delta, random) }).bytes,
    // Dots of another writer, of which there are true ones.
    () => createEntry({ ...entry, writer: `${entry.writer}x` }).bytes,
    () => createEntry({ ...entry, first: far }).bytes,
    () => createEntry({ ...entry, count: far, sequence: entry.sequence + 1 }).bytes,
    () => createEntry({ ...entry, stamp: { view: far, boot: 1 } }).bytes,
    () =>
      createEntry({ ...entry, sequence: far, voids: [{ ...other, ...one, offsets: [far] }] }).bytes,
    () => createEntry({ ...entry, execution: far, voids: [other] }).bytes,
    () => createEntry({ ...entry, time: { time: far, tick: far } }).bytes
  ])()
}

function forgedState(bytes: Uint8Array, random: Random): Uint8Array {
  const state = decodeState(bytes)
  const far = Math.floor(random.next() * 2 ** 53)
  return pick(random, [
    () => encodeState({ ...state, base: mutated(state.base, random) }),
    () => encodeState({ ...state, floors: [...state.floors, ['s', far % 64] as const] }),
    () => encodeState({ ...state, time: { time: far, tick: far } }),
    () => {
      const entries = state.entries.map(({ bytes: each }) => decodeEntry(forgedEntry(each, random)))
      return encodeState({ ...state, entries })
    }
  ])()
}

/** Feeds mutated frames, one for each seed. */
export async function feed(
  first: number,
  count: number
): Promise<{ refused: number; taken: number; longestMs: number }> {
  let { world, frames } = await prepare(false)
  let refused = 0
  let longestMs = 0
  for (let seed = first; seed < first + count; seed++) {
    // What was taken piles up: from time to time a cluster of honest ones goes on.
    if (seed % 500 === 0) ({ world, frames } = await prepare(seed % 1_000 === 0))
    const random = createRandom(seed)
    // Most of what there is to break is in those that carry updates.
    const carries = ({ method }: Frame): boolean => /append|put|offer/.test(method)
    const frame = pick(random, random.next() < 0.8 ? frames.filter(carries) : frames)
    const bytes = forged(frame, random)
    let took = Infinity
    // What was slow is done again: a stall in the code comes back, one of a busy machine does not.
    for (let round = 0; round < 4 && took > STALL_MS / 2; round++) {
      const began = workedMs()
      if (!(await attempt(world, frame, bytes, seed))) refused += round === 0 ? 1 : 0
      took = Math.min(took, workedMs() - began)
    }
    longestMs = Math.max(longestMs, took)
    if (took > STALL_MS) throw new Error(`seed ${seed}: ${frame.method} took ${took} ms`)
    check(world, frame.peer, `${frame.method}, seed ${seed}`)
  }
  return { refused, taken: count - refused, longestMs }
}

/** Milliseconds that this process has worked: what a busy machine adds is no stall. */
function workedMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

async function attempt(
  world: World,
  { peer, method, call, handler }: Frame,
  bytes: Uint8Array,
  seed: number
): Promise<boolean> {
  const signal = new AbortController().signal
  try {
    await world.simulation.wait(handler(bytes, { peer: call.peer, remainingMs: 100, signal }))
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code.startsWith('ERR_')) return false
    throw new Error(`seed ${seed}: ${method} at ${peer} led to another error`, { cause: error })
  }
}

/** Every copy is what its parts make of it: else it would be another one after a restart. */
function check(world: World, peer: string, after: string): void {
  const { state } = world.peer(peer)
  for (const { id } of state?.records() ?? []) {
    const copy = state?.held(id)?.copy
    if (copy === undefined) continue
    const again = DocumentCopy.from(decodeState(encodeState(copy.state())))
    again.verify()
    const [here, there] = [copy.live.encode(), again.live.encode()]
    if (here.length === there.length && here.every((byte, at) => byte === there[at])) continue
    throw new Error(`${id} at ${peer} is not what its parts are, after ${after}`)
  }
}

/**
 * Mutated answers of one peer to whatever the others ask it, in worlds that work, until there were so
 * many. What the others make of it shows in their copies; what nobody catches ends the process.
 */
export async function answer(first: number, count: number): Promise<{ worlds: number }> {
  let mutations = 0
  let worlds = 0
  for (; mutations < count; worlds++) {
    const seed = first + worlds
    const random = createRandom(seed)
    const simulation = createSimulation({ seed })
    const node = simulation.node.bind(simulation)
    const liar = `p${seed % 4}`
    let isLying = true
    const lie = (method: string, bytes: Uint8Array): Uint8Array => {
      if (!isLying || !method.startsWith('state.') || random.next() < 0.5) return bytes
      mutations++
      return mutated(bytes, random)
    }
    simulation.node = (name) => {
      const { rpc, ...made } = node(name)
      const call = rpc.call.bind(rpc)
      const stream = rpc.stream.bind(rpc)
      rpc.call = async (peer, method, ...rest) => {
        const reply = await call(peer, method, ...rest)
        return peer === liar ? lie(method, reply) : reply
      }
      rpc.stream = async function* (peer, method, ...rest) {
        for await (const item of stream(peer, method, ...rest)) {
          yield peer === liar ? lie(method, item) : item
        }
      }
      return { ...made, rpc }
    }
    const world = new World(simulation, 4)
    if (seed % 2 === 0) world.streams = smallStreams
    // oxlint-disable-next-line no-await-in-loop -- one world after the other.
    await work(world, true)
    isLying = false
    // oxlint-disable-next-line no-await-in-loop -- as above.
    await goOn(world, seed)
    world.peers.forEach(({ name }) => check(world, name, `the answers of ${liar}, seed ${seed}`))
  }
  return { worlds }
}

/** Nothing that a liar said stops a document for good. */
async function goOn(world: World, seed: number): Promise<void> {
  await world.simulation.run(5_000)
  for (const id of IDS) {
    const update = { kind: 'count', by: 1 } as const
    const request = { id, session: 'after', sequence: 0, lowest: 0, update }
    const owner = world.ownerOf(id)?.name ?? ''
    // oxlint-disable-next-line no-await-in-loop -- one after the other.
    const reply = await world.simulation.wait(world.request('c', owner, request))
    if (reply.status !== 'ok')
      throw new Error(`seed ${seed}: ${id} is stuck, ${JSON.stringify(reply)}`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const option = (name: string, otherwise: number): number => {
    const at = process.argv.indexOf(name)
    return at < 0 ? otherwise : Number(process.argv[at + 1])
  }
  const [count, seed] = [option('--count', 100_000), option('--seed', 1)]
  const answers = option('--answers', Math.ceil(count / 5))
  const began = performance.now()
  const { refused, taken, longestMs } = await feed(seed, count)
  const { worlds } = await answer(seed, answers)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(
    `frames: ${count}, refused: ${refused}, taken: ${taken}, longest: ${longestMs.toFixed(1)} ms, answers: ${answers} in ${worlds} worlds, seconds: ${seconds}`
  )
}
