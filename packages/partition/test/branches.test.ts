import { describe, expect, it } from 'vitest'
import type { Membership, Partition, View } from '@murmuration/interface'
import { createMembership } from '@murmuration/membership'
import { createBranches, createPartition } from '@murmuration/partition'
import type { BranchingMembership } from '@murmuration/partition'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { branchProposal } from '../src/core/branch.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']
/** Suspicion, the rest of the links of five members, and a proposal. */
const BRANCHED_MS = 18_000

interface Peer {
  readonly membership: Membership
  readonly partition: Partition
  readonly placed: BranchingMembership
  readonly events: string[]
}

async function start(simulation: Simulation): Promise<Record<string, Peer>> {
  const peers: Record<string, Peer> = {}
  for (const name of NAMES) {
    const { rpc, store, clock, random, links } = simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      { cluster: 'test', found: name === 'a', contacts: () => NAMES }
    )
    const partition = createPartition({ membership, rpc, clock })
    const placed = createBranches({ membership, partition, rpc, clock })
    const events: string[] = []
    placed.addEventListener('view', ({ detail }) => {
      const { branch, members } = detail.view
      events.push(`${branch === undefined ? 'agreed' : 'branch'} ${members.length}`)
      // Nobody keeps data here: every view is settled at once.
      placed.reportSettled(detail.view.number)
    })
    void Promise.resolve(membership.start()).then(async () => {
      await partition.start()
      await placed.start()
    })
    peers[name] = { membership, partition, placed, events }
    await simulation.run(300)
  }
  await simulation.until(
    () => NAMES.every((name) => of(peers, name).view.members.length === 5),
    30_000
  )
  await simulation.run(3_000)
  return peers
}

function of(peers: Record<string, Peer>, name: string): Peer & { readonly view: View } {
  const peer = peers[name]
  if (peer?.placed.view === undefined) throw new Error(`${name} has no view`)
  return { ...peer, view: peer.placed.view }
}

const membersOf = ({ members }: View): string => members.map(({ peer }) => peer).join('')

describe('a branch', () => {
  it('is where no view can be decided, the same for all of that side, and ends with the heal', async () => {
    const simulation = createSimulation({ seed: 1 })
    const peers = await start(simulation)
    simulation.split(['a', 'b', 'c'], ['d', 'e'])
    await simulation.run(BRANCHED_MS)
    for (const name of ['a', 'b', 'c']) {
      expect([name, membersOf(of(peers, name).view)]).toEqual([name, 'abc'])
      expect(of(peers, name).placed.branch).toBeUndefined()
    }
    const [d, e] = [of(peers, 'd'), of(peers, 'e')]
    expect(membersOf(d.view)).toBe('de')
    expect(d.placed.branch?.id).toBe(e.placed.branch?.id)
    expect(d.placed.branch?.steward).toBe('d')
    expect(membersOf(d.placed.branch?.agreed ?? d.view)).toBe('abcde')
    // Placed by itself, decided by nobody: it is not settled, and the agreed view is what it was.
    expect(d.view.number).toBe(d.membership.view?.number)
    expect(d.placed.settled).toBeLessThan(d.view.number)
    expect(d.placed.unsettledViews().map(membersOf)).toEqual(['de'])

    simulation.heal()
    await simulation.until(
      () => NAMES.every((name) => membersOf(of(peers, name).view) === 'abcde'),
      60_000
    )
    const numbers = NAMES.map((name) => of(peers, name).view.number)
    expect(new Set(numbers).size).toBe(1)
    expect(of(peers, 'd').placed.branch).toBeUndefined()
    expect(of(peers, 'd').view).toBe(of(peers, 'd').membership.view)
    expect(of(peers, 'd').events).toContain('branch 2')
    expect(of(peers, 'a').events).not.toContain('branch 3')
  })

  it('of three sides that cannot decide is each side’s own, and a second split makes the next one', async () => {
    const simulation = createSimulation({ seed: 2 })
    const peers = await start(simulation)
    simulation.split(['a', 'b'], ['c', 'd'], ['e'])
    await simulation.run(BRANCHED_MS)
    const first = NAMES.map((name) => of(peers, name).placed.branch?.id)
    expect(NAMES.map((name) => membersOf(of(peers, name).view))).toEqual([
      'ab',
      'ab',
      'cd',
      'cd',
      'e'
    ])
    expect(new Set(first).size).toBe(3)
    simulation.heal()
    simulation.split(['a', 'b'], ['c'], ['d'], ['e'])
    await simulation.run(BRANCHED_MS)
    expect(NAMES.map((name) => membersOf(of(peers, name).view))).toEqual([
      'ab',
      'ab',
      'c',
      'd',
      'e'
    ])
    expect(of(peers, 'a').placed.branch?.id).toBe(first[0])
    expect(first).not.toContain(of(peers, 'c').placed.branch?.id)
    simulation.heal()
    await simulation.until(
      () => NAMES.every((name) => of(peers, name).partition.status === 'whole'),
      60_000
    )
    expect(NAMES.map((name) => of(peers, name).placed.branch)).toEqual(NAMES.map(() => undefined))
  })

  it('is taken up from the steward of this very side only', async () => {
    const simulation = createSimulation({ seed: 3 })
    const peers = await start(simulation)
    const propose = (from: string, named: string, stewarded: string[] = []): Promise<unknown> => {
      const { view } = of(peers, from).membership
      if (view === undefined) throw new Error('no view')
      const members = view.members.filter(({ peer }) => named.includes(peer))
      const bytes = branchProposal.encode({
        cluster: 'test',
        view: view.number,
        id: `by ${from} for ${named}`,
        began: 0,
        members: members.map(({ peer, incarnation }) => ({ peer, incarnation })),
        stewarded
      })
      return simulation.wait(simulation.node(from).rpc.call('e', 'partition.branch', bytes))
    }
    // Nothing is split.
    await propose('d', 'de')
    expect(of(peers, 'e').placed.branch).toBeUndefined()
    simulation.split(['a', 'b', 'c'], ['d', 'e'])
    await simulation.run(BRANCHED_MS)
    const { id } = of(peers, 'e').placed.branch ?? {}
    await propose('d', 'd').catch(() => undefined)
    await propose('d', 'cde').catch(() => undefined)
    expect(of(peers, 'e').placed.branch?.id).toBe(id)
    // Which types the steward takes is for the steward to say, so that a side agrees on it.
    await propose('d', 'de', ['default/desk'])
    const { branch } = of(peers, 'e').placed
    expect(branch).toMatchObject({ id: 'by d for de', stewarded: ['default/desk'] })
    await expect(propose('d', 'e')).rejects.toMatchObject({ name: 'MalformedMessageError' })
  })
})
