import type { View } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import type { AcceptorSituation } from '../src/core/acceptor.ts'
import { Chain } from '../src/core/chain.ts'
import { homeSetOf } from '../src/core/home-set.ts'
import { Mover } from '../src/mover.ts'
import type { MoverInit } from '../src/mover.ts'

const self = { peer: 'a', incarnation: 'i', boot: 1 }

function viewOf(number: number): View {
  // Of a view only what is looked at.
  return { number, members: [self], placement: { slots: 1 } } as unknown as View
}

test('a view that is adopted while registers are erased is reported all the same', async () => {
  const simulation = createSimulation({ seed: 1 })
  const { clock, random } = simulation.node('a')
  const homes = (view: View): ReturnType<typeof homeSetOf> => homeSetOf(view, view.members)
  let chain = new Chain([viewOf(1)], homes)
  const reported: number[] = []
  const look = Promise.withResolvers<void>()
  const looked: string[] = []
  const records = {
    flush: async () => {},
    damaged: new Map(),
    count: 0,
    // Slow, as a disk may be: what is held is looked through before anything is erased.
    names: async (_after: unknown, kind: string) => {
      looked.push(kind)
      if (looked.length === 1) await look.promise
      return []
    }
  }
  const membership = {
    get view() {
      return chain.view
    },
    settled: 1,
    reportSettled: (number: number) => void reported.push(number)
  }
  const mover = new Mover({
    self,
    records,
    membership,
    clock,
    random,
    log: undefined,
    replicas: [3],
    situation: () => ({ chain }) as unknown as AcceptorSituation
  } as unknown as MoverInit)
  mover.adopt()
  expect(looked).toEqual(['a/'])
  chain = new Chain([viewOf(1), viewOf(2)], homes)
  mover.adopt()
  look.resolve()
  expect(await simulation.until(() => reported.includes(2), 5000)).toBe(true)
  mover.stop()
})
