import { createMembership } from '@murmuration/membership'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import type { Membership, Rpc, RpcHandlerOptions } from '@murmuration/interface'
import { expect, test } from 'vitest'
import { createState } from '../src/index.ts'

/** A peer of a cluster that `a` has founded. */
function start(simulation: Simulation, name: string, watched: (rpc: Rpc) => Rpc): Membership {
  const { rpc, store, clock, random, links } = simulation.node(name)
  const membership = createMembership(
    { rpc, store, clock, random, discovery: links },
    { cluster: 'test', found: name === 'a', contacts: () => ['a', 'b'] }
  )
  const state = createState({ rpc: watched(rpc), membership, store, clock, random })
  void Promise.resolve(membership.start()).then(() => state.start())
  return membership
}

/** The same, but for one method of it. */
function replacing<K extends 'call' | 'handle'>(rpc: Rpc, name: K, by: Rpc[K]): Rpc {
  return new Proxy(rpc, {
    get: (target, key): unknown => {
      if (key === name) return by
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

test('a peer that joins asks each member once for a hand-over, though it also learns what is settled', async () => {
  const simulation = createSimulation({ seed: 5 })
  const asked: string[] = []
  const watched = (rpc: Rpc): Rpc =>
    replacing(rpc, 'call', (peer, method, ...rest) => {
      if (rpc.peer === 'd' && method === 'state.collect') asked.push(peer)
      return rpc.call(peer, method, ...rest)
    })
  const members = ['a', 'b', 'c'].map((name) => start(simulation, name, watched))
  const isSettled = (count: number): boolean =>
    members.every(({ view, settled }) => view?.members.length === count && settled === view.number)
  expect(await simulation.until(() => isSettled(3), 20_000)).toBe(true)
  const joiner = start(simulation, 'd', watched)
  const number = members[0]!.settled
  expect(await simulation.until(() => isSettled(4), 20_000)).toBe(true)
  expect(joiner.settled).toBeGreaterThan(number)
  expect(asked.toSorted()).toEqual(['a', 'b', 'c'])
})

test('a hand-over does not wait behind the calls that wait for it', async () => {
  const simulation = createSimulation({ seed: 5 })
  const urgent: string[] = []
  const watched = (rpc: Rpc): Rpc =>
    replacing(rpc, 'handle', (method, handler, options: RpcHandlerOptions = {}) => {
      if (options.urgent === true) urgent.push(method)
      rpc.handle(method, handler, options)
    })
  start(simulation, 'a', watched)
  await simulation.run(1_000)
  expect(urgent.toSorted()).toEqual(['state.collect', 'state.fetch'])
})
