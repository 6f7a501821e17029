import { expect, test } from 'vitest'
import type { OwnedDocument } from '../src/index.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { recordOf, schema, World } from './world.ts'

const id = 'test/doc/a'

function increment(document: OwnedDocument) {
  const { draft, operations } = document.document.draft(schema)
  draft.total.increment(1)
  return operations
}

/** An owner whose clock jumps by an hour between two updates, and what became of the second one. */
async function jump(mutants: Mutants): Promise<{ name: string; total: number }> {
  const world = await World.of(3, { mutants })
  const { simulation } = world
  const owner = world.ownerOf(id)!
  const document = await simulation.wait(owner.state!.own(recordOf(id)))
  await simulation.wait(document.commit(increment(document)))
  await simulation.run(100)
  simulation.skew(owner.name, 3_600_000)
  let name = 'applied'
  try {
    await simulation.wait(document.commit(increment(document)))
  } catch (error) {
    name = error instanceof Error ? error.name : String(error)
  }
  const { total } = document.document.value(schema)
  simulation.skew(owner.name, 0)
  // The clock is right again: it goes on at once.
  await simulation.wait(document.commit(increment(document)))
  return { name, total }
}

test('an owner whose clock is far from the others refuses updates, and nothing is changed', async () => {
  expect(await jump({})).toEqual({ name: 'ClockSkewError', total: 1 })
  expect(await jump({ ignoreSkew: true })).toEqual({ name: 'applied', total: 2 })
})

test('a wrong clock of a replica does not matter', async () => {
  const world = await World.of(3)
  const owner = world.ownerOf(id)!
  const other = world.peers.find((peer) => peer !== owner)!
  world.simulation.skew(other.name, 3_600_000)
  const document = await world.simulation.wait(owner.state!.own(recordOf(id)))
  for (let at = 0; at < 3; at++) {
    await world.simulation.wait(document.commit(increment(document)))
    await world.simulation.run(100)
  }
  expect(document.document.value(schema).total).toBe(3)
})
