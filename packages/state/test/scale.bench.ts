/**
 * Many documents on one peer: memory and start from disk, and what it costs to find and mend the
 * difference when 1 % of the copies of a replica are old. `node packages/state/test/scale.bench.ts
 * [documents]`; ratios are to a full copy in the same run.
 *
 * Memory of a document is the difference between two processes, one with all documents and one with a
 * tenth of them: code and the caches of LevelDB are in both. The young generation of both is kept at
 * 2 MiB: it grows to 128 MiB in any process that allocates, however much of that is kept, and with
 * it the same documents seemed to take 7 to 13 KB each.
 */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { counter, lww, map } from '@murmuration/crdt'
import type { Clock, Random, Rpc, RpcHandler, Store } from '@murmuration/interface'
import { createMemoryStore, openLevelStore } from '@murmuration/storage'
import { DocumentCopy } from '../src/core/document-copy.ts'
import { decodeState, encodeState } from '../src/core/messages.ts'
import { StateService } from '../src/state.ts'
import { FakeMembership, Views } from './fake-membership.ts'

const schema = { n: counter(), last: lww<number>(), byName: map(lww<string>()) }
const KEYS = 6
const TEXT = 'a reading of some length'
const AT_ONCE = 200

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}
const random: Random = { next: () => Math.random(), bytes: (length) => new Uint8Array(length) }

/** Calls in this process, counted by method. */
class Wire {
  readonly bytes = new Map<string, number>()
  readonly #handlers = new Map<string, RpcHandler>()

  rpcOf(peer: string): Rpc {
    const context = { peer, signal: new AbortController().signal, remainingMs: 60_000 }
    return {
      peer,
      handle: (method, handler) => void this.#handlers.set(`${peer} ${method}`, handler),
      handleStream: () => {},
      unhandle: () => {},
      start: () => {},
      stop: () => {},
      call: async (to, method, bytes) => {
        const answer = await this.#handlers.get(`${to} ${method}`)?.(bytes, context)
        if (answer === undefined) throw new Error(`${to} is not there`)
        this.#count(method, bytes.length + answer.length)
        return answer
      },
      stream: async function* () {
        yield* []
      }
    }
  }

  get total(): number {
    return [...this.bytes.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  #count(method: string, bytes: number): void {
    this.bytes.set(method, (this.bytes.get(method) ?? 0) + bytes)
  }
}

interface Peer {
  readonly name: string
  readonly state: StateService
}

const recordOf = (at: number) =>
  ({ id: `default/sensor/building-${at % 97}-${at}`, placement: 'hash', replicas: 3 }) as const

async function open(name: string, views: Views, wire: Wire, store: Store): Promise<Peer> {
  const disk = { incarnation: name, boot: 1, view: 1, settled: 1, settledHeard: 1 }
  const membership = new FakeMembership({ peer: name, views, clock, disk })
  const components = { rpc: wire.rpcOf(name), membership, store, clock, random }
  const state = new StateService(
    components,
    { compareMs: 1_000, commitTimeoutMs: 60_000, ownTimeoutMs: 60_000 },
    {}
  )
  await state.start()
  return { name, state }
}

function viewsOf(names: readonly string[]): Views {
  const views = new Views()
  views.add(names.map((peer) => ({ peer, incarnation: peer })))
  return views
}

async function write(peers: readonly Peer[], at: number, round: number): Promise<void> {
  const record = recordOf(at)
  const owner = peers[0]?.state.placement()?.ownerOf(record)?.peer
  const peer = peers.find(({ name }) => name === owner)
  if (peer === undefined) throw new Error(`nobody owns ${record.id}`)
  const { document, commit } = await peer.state.own(record).then((owned) => ({
    document: owned.document,
    commit: owned.commit.bind(owned)
  }))
  const { draft, operations } = document.draft(schema)
  draft.n.increment()
  draft.last.set(at + round)
  for (let key = 0; key < KEYS; key++) draft.byName.get(`key ${key}`).set(`${TEXT} ${round}`)
  await commit(operations)
}

async function all(count: number, task: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}

function sizeOf({ state }: Peer): number {
  return state
    .records()
    .reduce((sum, { id }) => sum + encodeState(state.held(id)!.copy.state()).length, 0)
}

/** One peer alone with its documents on disk: written by one process, opened by another. */
async function alone(what: string, path: string, count: number): Promise<void> {
  const store = await openLevelStore({ path })
  const began = performance.now()
  const peer = await open('a', viewsOf(['a']), new Wire(), store)
  const startMs = performance.now() - began
  if (what === 'write') {
    await all(count, (at) => write([peer], at, 1))
    await until(() => peer.state.stats().entries === 0)
  } else {
    await peer.state.read(recordOf(1))
    globalThis.gc?.()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    const held = peer.state.stats().documents
    process.send?.({ startMs, rss, live: heapUsed + arrayBuffers, held, encoded: sizeOf(peer) })
  }
  await peer.state.stop()
  await store.close()
  process.exit(0)
}

interface Opened {
  readonly startMs: number
  readonly rss: number
  /** What is reachable: on the heap, and in buffers outside of it. */
  readonly live: number
  readonly held: number
  readonly encoded: number
}

const memory = ['--expose-gc', '--max-semi-space-size=2']

function child(what: string, path: string, count: number): Promise<Opened | undefined> {
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(import.meta.url)
    const started = fork(script, [what, path, String(count)], { execArgv: [...memory] })
    let told: Opened | undefined
    started.on('message', (message) => (told = message as Opened)) // as `alone` sends it
    started.once('error', reject)
    started.once('exit', () => resolve(told))
  })
}

async function opened(path: string, count: number): Promise<Opened> {
  await child('write', path, count)
  const told = await child('read', path, count)
  if (told === undefined) throw new Error('the second process told nothing')
  return told
}

async function memoryOf(folder: string, count: number): Promise<void> {
  const few = await opened(join(folder, 'few'), Math.ceil(count / 10))
  const many = await opened(join(folder, 'all'), count)
  const each = (of: 'rss' | 'live' | 'encoded'): number =>
    Math.round((many[of] - few[of]) / (many.held - few.held))
  console.log(
    `${many.held} documents of ${each('encoded')} bytes: ${each('rss')} bytes of resident memory each, ${each('live')} of them reachable; started from disk in ${Math.round(many.startMs)} ms`
  )
}

/** Three peers hold the same; then one of them silently has the old state of 1 % of the documents. */
async function difference(count: number): Promise<void> {
  const wire = new Wire()
  const names = ['a', 'b', 'c']
  const views = viewsOf(names)
  const peers = await Promise.all(names.map((name) => open(name, views, wire, createMemoryStore())))
  await all(count, (at) => write(peers, at, 1))
  const isFolded = (): boolean => peers.every(({ state }) => state.stats().entries === 0)
  await until(isFolded)
  const [, , last] = peers
  const theirs = Array.from({ length: Math.round(count / 50) }, (_, at) => at * 50)
    .filter((at) => last?.state.placement()?.ownerOf(recordOf(at))?.peer !== 'c')
    .slice(0, Math.round(count / 100))
  const old = theirs.map((at) => encodeState(last!.state.held(recordOf(at).id)!.copy.state()))
  for (const at of theirs) await write(peers, at, 2)
  await until(isFolded)
  // The last changes must be over a second ago, or comparisons leave them out; and be at rest.
  await new Promise((resolve) => {
    setTimeout(resolve, 3_000)
  })
  const digestOf = (peer: Peer | undefined, at: number): string | undefined =>
    peer?.state.held(recordOf(at).id)?.copy.digestAsText
  const idle = new Map(wire.bytes)
  const from = wire.total
  for (const [position, at] of theirs.entries()) {
    const copy = DocumentCopy.from(decodeState(old[position]!))
    // Behind its own back: as if its disk had lost the last write.
    Reflect.set(last!.state.held(recordOf(at).id)!, 'copy', copy)
  }
  const began = performance.now()
  await until(() => theirs.every((at) => digestOf(last, at) === digestOf(peers[0], at)))
  const ms = Math.round(performance.now() - began)
  const spent = wire.total - from
  const full = sizeOf(last!)
  const byMethod = [...wire.bytes].map(([name, bytes]) => [name, bytes - (idle.get(name) ?? 0)])
  console.log(
    `difference: ${theirs.length} of ${count} old, mended in ${ms} ms with ${spent} bytes, ${((100 * spent) / full).toFixed(2)} % of a full copy of ${full}`
  )
  console.log(Object.fromEntries(byMethod.filter(([, bytes]) => bytes !== 0)))
}

const [what = '10000', path = '', number = '0'] = process.argv.slice(2)
if (what === 'write' || what === 'read') {
  await alone(what, path, Number(number))
} else {
  const count = Number(what)
  const folder = await mkdtemp(join(tmpdir(), 'scale-'))
  try {
    await memoryOf(folder, count)
    await difference(count)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  process.exit(0)
}
