import type { RpcHandler } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { decodeState, encodeState, putRequest } from '../src/core/messages.ts'
import { World } from './world.ts'

/** What an edge peer sends of documents to members: only what is pinned to it is taken. */
test('an edge peer brings copies of its own documents, and of nobody else’s', async () => {
  const simulation = createSimulation({ seed: 3 })
  const handlers = new Map<string, RpcHandler>()
  const puts: Uint8Array[] = []
  const node = simulation.node.bind(simulation)
  simulation.node = (name) => {
    const made = node(name)
    const handle = made.rpc.handle.bind(made.rpc)
    made.rpc.handle = (method, handler, options) => {
      if (name === 'p0') handlers.set(method, handler)
      const watched: RpcHandler = (bytes, call) => {
        if (method === 'state.put') puts.push(bytes.slice())
        return handler(bytes, call)
      }
      handle(method, watched, options)
    }
    return made
  }
  const world = new World(simulation, 3)
  world.newView(world.peers)
  for (const peer of world.peers) await simulation.wait(world.start(peer))
  await simulation.run(200)
  const theirs = 'test/doc/a'
  const owner = world.ownerOf(theirs)?.name ?? ''
  const update = { kind: 'count', by: 3 } as const
  const change = { id: theirs, session: 's', sequence: 0, lowest: 0, update }
  await simulation.wait(world.request('c', owner, change))
  await simulation.run(1_000)

  const request = putRequest.decode(puts.at(-1) ?? new Uint8Array())
  const state = decodeState(request.states[0] ?? new Uint8Array())
  const send = async (peer: string, id: string, placement: 'hash' | 'pinned'): Promise<unknown> => {
    const copy = encodeState({ ...state, record: { ...state.record, id, placement } })
    const bytes = putRequest.encode({ ...request, from: 'owner', states: [copy] })
    const signal = new AbortController().signal
    const answer = handlers.get('state.pinned.put')?.(bytes, { peer, remainingMs: 100, signal })
    return await simulation.wait(
      Promise.resolve(answer).then(
        () => 'taken',
        (error: unknown) => (error instanceof Error ? error.name : error)
      )
    )
  }
  const held = (id: string): unknown => world.peer('p0').state?.held(id)?.copy.digest
  const own = 'test/device/edge'
  expect(await send('edge', own, 'pinned')).toBe('taken')
  expect(held(own)).toBeDefined()
  const before = [held(theirs), held(own)]
  expect(await send('edge', theirs, 'hash')).toBe('NotOwnerError')
  expect(await send('edge', theirs, 'pinned')).toBe('NotOwnerError')
  expect(await send('edge', 'test/device/p1', 'pinned')).toBe('NotOwnerError')
  expect(await send('other', own, 'pinned')).toBe('NotOwnerError')
  expect(await send('other', own, 'hash')).toBe('NotOwnerError')
  expect([held(theirs), held(own)]).toEqual(before)
  expect(held('test/device/p1')).toBeUndefined()
})
