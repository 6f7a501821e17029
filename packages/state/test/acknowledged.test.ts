import type { AgentRecord } from '@murmuration/interface'
import { describe, expect, test } from 'vitest'
import type { Commit, CommitOptions, OwnedDocument } from '../src/index.ts'
import { schema, World } from './world.ts'
import type { Peer } from './world.ts'

const record: AgentRecord = { id: 'test/doc/a', placement: 'hash', replicas: 5 }
const key = { session: 's', sequence: 0, lowest: 0 }

interface Home {
  readonly world: World
  readonly owner: Peer
  readonly owned: OwnedDocument
  readonly others: readonly Peer[]
}

/** Five replicas, of which the owner reaches so many others. */
async function reaching(count: number): Promise<Home> {
  const world = await World.of(5)
  const first = world.peers[0]!.state!.placement()!.ownerOf(record)!.peer
  const owner = world.peer(first)
  const owned = await world.simulation.wait(owner.state!.own(record))
  await world.simulation.wait(owned.commit(increment(owned)))
  await world.simulation.run(1000)
  const others = world.peers.filter((peer) => peer !== owner)
  world.isolate(owner, others.slice(count))
  return { world, owner, owned, others }
}

function increment({ document }: OwnedDocument) {
  const { draft, operations } = document.draft(schema)
  draft.total.increment()
  return operations
}

/** How many copies it was acknowledged with, or why it was not. */
async function outcomeOf({ world }: Home, commit: Promise<Commit>): Promise<number | string> {
  const said = commit.then(
    ({ copies }) => copies,
    (error: unknown) => (error instanceof Error ? error.name : String(error))
  )
  return world.simulation.wait(said)
}

const levels: readonly (readonly [CommitOptions['ack'] & string, number])[] = [
  ['local', 1],
  ['replicated', 2],
  ['majority', 3]
]

describe.each(levels)('an update that is to be acknowledged as %s', (ack, needed) => {
  test('needs so many copies, the first time and each time that it is repeated', async () => {
    const enough = await reaching(needed - 1)
    expect(
      await outcomeOf(enough, enough.owned.commit(increment(enough.owned), { key, ack }))
    ).toBe(needed)
    if (ack === 'local') return
    const few = await reaching(needed - 2)
    const once = few.owned.commit(increment(few.owned), { key, ack })
    expect(await outcomeOf(few, once)).toBe('OutcomeUnknownError')
    const again = few.owned.commit(increment(few.owned), { key, ack })
    expect(await outcomeOf(few, again)).toBe('OutcomeUnknownError')
    const known = few.owned.lookup(key, { ack })
    if (known.status !== 'known') throw new Error(known.status)
    expect(await outcomeOf(few, known.commit)).toBe('OutcomeUnknownError')
    few.world.simulation.heal()
    await few.world.simulation.run(1000)
    const last = few.owned.commit(increment(few.owned), { key, ack })
    expect(await outcomeOf(few, last)).toBeGreaterThanOrEqual(needed)
    expect(few.owned.document.value(schema).total).toBe(2)
  })
})

test('a repetition that asks for less is acknowledged with less', async () => {
  const alone = await reaching(0)
  const first = alone.owned.commit(increment(alone.owned), { key })
  expect(await outcomeOf(alone, first)).toBe('OutcomeUnknownError')
  const again = alone.owned.commit(increment(alone.owned), { key, ack: 'local' })
  expect(await outcomeOf(alone, again)).toBe(1)
})
