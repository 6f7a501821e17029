import { randomBytes } from 'node:crypto'
import { lww, map } from '@murmuration/crdt'
import type { AgentRecord, Clock, Random, Rpc } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { StateService } from '../src/state.ts'
import { FakeMembership, Views } from './fake-membership.ts'

const schema = { texts: map(lww<string>()) }

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}
const random: Random = {
  next: () => Math.random(),
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length))
}

export function recordOf(name: string): AgentRecord {
  return { id: `test/doc/${name}`, placement: 'hash', replicas: 3 }
}

/** Of so many characters, which do not repeat. */
export function textOf(length: number): string {
  return randomBytes(Math.ceil((length * 3) / 4))
    .toString('base64')
    .slice(0, length)
}

/** A peer in views that are given, or alone. */
export async function startState(
  rpc: Rpc,
  init: { readonly views?: Views; readonly incarnation?: string } = {}
): Promise<{ readonly state: StateService; readonly membership: FakeMembership }> {
  const { incarnation = rpc.peer, views = new Views() } = init
  if (views.newest === undefined) views.add([{ peer: rpc.peer, incarnation }])
  const { number = 1 } = views.newest ?? {}
  const disk = { incarnation, boot: 1, view: number, settled: 1, settledHeard: 1 }
  const membership = new FakeMembership({ peer: rpc.peer, views, clock, disk })
  const components = { rpc, membership, store: createMemoryStore(), clock, random }
  const state = new StateService(
    components,
    { compareMs: 1000, ownTimeoutMs: 60_000, commitTimeoutMs: 60_000 },
    {}
  )
  await state.start()
  return { state, membership }
}

export async function write(
  state: StateService,
  name: string,
  text: string,
  key = 0
): Promise<void> {
  const { document, commit } = await state.own(recordOf(name)).then((owned) => ({
    document: owned.document,
    commit: owned.commit.bind(owned)
  }))
  const { draft, operations } = document.draft(schema)
  draft.texts.get(`text ${key}`).set(text)
  await commit(operations)
}
