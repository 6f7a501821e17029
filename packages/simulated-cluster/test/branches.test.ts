import { defineAgent, Session } from '@murmuration/agent'
import { counter, register, set } from '@murmuration/crdt'
import type { MergeReport } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'

/*
 * `continue-all` through all layers: both sides of a split write the same agents for a minute. After
 * the heal nothing of either side is lost, one owner remains, and a report says what happened.
 */

const peers = ['a', 'b', 'c', 'd', 'e']
const sides = [
  ['a', 'b', 'c'],
  ['d', 'e']
] as const
const MINUTE_MS = 60_000

const board = defineAgent({
  type: 'board',
  onPartition: 'continue-all',
  state: { names: set<string>(), count: counter(), chief: register<string>() },
  actions: {
    add: {
      input: z.string(),
      output: z.null(),
      run: ({ input, state }) => {
        state.names.add(input)
        state.count.increment()
        return null
      }
    },
    elect: {
      input: z.string(),
      output: z.null(),
      run: ({ input, state }) => {
        state.chief.set(input)
        return null
      }
    }
  }
})
const keys = ['x', 'y', 'z']

interface Written {
  /** Acknowledged, by key. */
  readonly names: Map<string, Set<string>>
  readonly bySide: number[]
}

/** Both sides add names to all agents all the time, from every peer. */
async function write(cluster: SimulatedCluster, forMs: number): Promise<Written> {
  const { simulation } = cluster
  const names = new Map(keys.map((key) => [key, new Set<string>()]))
  const bySide = [0, 0]
  let isOver = false
  const client = async (peer: string): Promise<void> => {
    for (let number = 0; !isOver; number++) {
      const key = keys[number % keys.length] ?? 'x'
      const name = `${peer}.${number}`
      try {
        await cluster.peer(peer).agent(board, key).call('add', name, { timeoutMs: 8_000 })
        names.get(key)?.add(name)
        bySide[sides[0].some((one) => one === peer) ? 0 : 1]! += 1
      } catch {
        // Before the sides have found themselves: it may have been applied, and is not counted on.
      }
      await new Promise<void>((resolve) => simulation.after(300, resolve))
    }
  }
  const clients = Promise.all(peers.map(client))
  await simulation.run(forMs)
  isOver = true
  await simulation.wait(clients, 30_000)
  return { names, bySide }
}

describe('continue-all', () => {
  test('both sides write the same agents for a minute, and nothing of either is lost', async () => {
    const simulation = createSimulation({ seed: 5 })
    const cluster = await createSimulatedCluster({ simulation, peers, agents: [board] })
    const reports: MergeReport[] = []
    const branches: string[] = []
    for (const name of peers) {
      const { partition } = cluster.peer(name)
      partition.addEventListener('merged', ({ detail }) => reports.push(detail))
      partition.addEventListener('branch', ({ detail }) =>
        branches.push(`${name} ${detail.status} ${detail.members.join('')}`)
      )
    }
    for (const key of keys) {
      await simulation.wait(cluster.peer('a').agent(board, key).call('add', 'before'))
    }
    simulation.split(...sides)
    await simulation.run(20_000)
    expect(branches.toSorted()).toEqual(['d begun de', 'e begun de'])
    const { names, bySide } = await write(cluster, MINUTE_MS)
    expect(Math.min(...bySide)).toBeGreaterThan(100)
    for (const [at, peer] of ['b', 'd'].entries()) {
      await simulation.wait(cluster.peer(peer).agent(board, 'x').call('elect', `chief ${at}`))
    }

    // Results of the smaller side say that it goes on by itself.
    const here = await simulation.wait(cluster.peer('d').agent(board, 'x').state())
    expect(here.epoch?.branch).toBeDefined()
    expect(here.value.names).toContain('before')
    const there = await simulation.wait(cluster.peer('b').agent(board, 'x').state())
    expect(there.epoch?.branch).toBeUndefined()

    simulation.heal()
    await cluster.ready(peers, 60_000)
    await simulation.run(15_000)
    for (const key of keys) {
      const readings = []
      for (const peer of peers) {
        readings.push(await simulation.wait(cluster.peer(peer).agent(board, key).state()))
      }
      for (const { value, epoch } of readings) {
        expect([...(names.get(key) ?? [])].filter((name) => !value.names.includes(name))).toEqual(
          []
        )
        expect(value.count).toBe(value.names.length)
        expect(epoch?.branch).toBeUndefined()
      }
      const owners = new Set(
        peers.map((peer) => cluster.peer(peer).placement.ownerOf(board.id(key)))
      )
      expect(owners.size).toBe(1)
    }
    const told = reports.flatMap(({ agents }) => agents)
    expect(told.map(({ id }) => id).toSorted()).toEqual(keys.map((key) => board.id(key)))
    for (const { id, sides: wrote, updates, elsewhere, owner, epoch } of told) {
      expect([id, wrote]).toEqual([id, 'both'])
      expect(Math.min(updates, elsewhere)).toBeGreaterThan(20)
      expect(owner).toBe(cluster.peer('a').placement.ownerOf(id))
      expect(epoch).toBeDefined()
    }
    const x = told.find(({ id }) => id === board.id('x'))
    expect(x?.conflicts).toEqual(['chief'])
    expect(x?.diverged).toEqual([{ field: 'chief', here: ['chief 1'], there: ['chief 0'] }])
    // The warning ends when the side does.
    expect(branches.slice(2).toSorted()).toEqual(['d ended de', 'e ended de'])
    expect(Math.min(...reports.map(({ began, ended }) => ended - began))).toBeGreaterThan(MINUTE_MS)
  }, 300_000)

  test('a peer alone acknowledges what is asked for as local, and nothing else', async () => {
    const simulation = createSimulation({ seed: 6 })
    const cluster = await createSimulatedCluster({ simulation, peers, agents: [board] })
    const { placement } = cluster.peer('e')
    const all = Array.from({ length: 100 }, (_, at) => `k${at}`)
    const key = all.find((one) => placement.ownerOf(board.id(one)) === 'e') ?? 'x'
    const alone = cluster.peer('e').agent(board, key)
    simulation.split(['a', 'b', 'c', 'd'], ['e'])
    const options = { timeoutMs: 3_000 }
    const session = new Session('alone')
    const idempotencyKey = session.open()
    // Executed at once, as nobody knows of the split yet; and then again, in the branch: what is known
    // already is acknowledged with no fewer copies.
    for (let attempt = 0; attempt < 2; attempt++) {
      const early = alone.call('add', 'early', { ...options, idempotencyKey })
      await expect(simulation.wait(early)).rejects.toThrow()
      await simulation.run(20_000)
    }
    await expect(simulation.wait(alone.call('add', 'never', options))).rejects.toThrow()
    const local = await simulation.wait(
      alone.update((draft) => draft.names.add('alone'), { ...options, ack: 'local' })
    )
    expect(local.epoch.branch).toBeDefined()
    simulation.heal()
    await cluster.ready(peers, 60_000)
    await simulation.run(15_000)
    const { value } = await simulation.wait(cluster.peer('a').agent(board, key).state())
    expect(value.names.toSorted()).toEqual(['alone', 'early'])
  }, 300_000)
})

const desk = defineAgent({
  type: 'desk',
  onPartition: 'leader-election',
  state: { names: set<string>(), count: counter() },
  strong: { value: z.number().default(0) },
  actions: {
    add: {
      input: z.string(),
      output: z.string(),
      run: ({ input, state, epoch }) => {
        state.names.add(input)
        state.count.increment()
        return epoch.branch ?? 'agreed'
      }
    }
  }
})

describe('leader-election', () => {
  const seven = [...peers, 'f', 'g']
  const desks = Array.from({ length: 12 }, (__, at) => `k${at}`)
  const runningOn = (cluster: SimulatedCluster, peer: string): string[] =>
    cluster
      .peer(peer)
      .agents.running()
      .map(({ id }) => id)
      .filter((id) => id.includes('/desk/'))
      .toSorted()
  const ids = desks.map((key) => desk.id(key)).toSorted()
  /** Adds one name to each desk through these peers in turn; gives the branches that did it. */
  const add = async (
    cluster: SimulatedCluster,
    through: readonly string[],
    name: string
  ): Promise<string[]> => {
    const calls = desks.map((key, at) => {
      const peer = through[at % through.length] ?? ''
      return cluster.peer(peer).agent(desk, key).call('add', name, { timeoutMs: 20_000 })
    })
    return [...new Set(await cluster.simulation.wait(Promise.all(calls), 60_000))]
  }

  test('one steward runs all agents of a side that cannot decide, and the next one when it dies', async () => {
    const simulation = createSimulation({ seed: 3 })
    const cluster = await createSimulatedCluster({ simulation, peers: seven, agents: [desk] })
    expect(await add(cluster, seven, 'before')).toEqual(['agreed'])
    // Without a split they are where placement says.
    expect(seven.filter((peer) => runningOn(cluster, peer).length > 0).length).toBeGreaterThan(3)

    simulation.split(['a', 'b', 'c', 'd'], ['e', 'f', 'g'])
    await simulation.run(25_000)
    // The side that decides has an agreed view, which gives each agent one owner.
    expect(await add(cluster, ['a', 'b', 'c', 'd'], 'there')).toEqual(['agreed'])
    const [branch = '', ...more] = await add(cluster, ['e', 'f', 'g'], 'here')
    expect(more).toEqual([])
    expect(branch).not.toBe('agreed')
    expect(runningOn(cluster, 'e')).toEqual(ids)
    expect([...runningOn(cluster, 'f'), ...runningOn(cluster, 'g')]).toEqual([])
    expect(cluster.peer('g').placement.ownerOf(desk.id('k0'))).toBe('e')
    const reading = await simulation.wait(cluster.peer('g').agent(desk, 'k0').state())
    expect(reading.epoch?.branch).toBe(branch)
    expect(reading.value.names.toSorted()).toEqual(['before', 'here'])

    cluster.crash('e')
    await simulation.run(25_000)
    const [next = '', ...others] = await add(cluster, ['f', 'g'], 'after')
    expect(others).toEqual([])
    expect([branch, 'agreed']).not.toContain(next)
    expect(runningOn(cluster, 'f')).toEqual(ids)
    expect(runningOn(cluster, 'g')).toEqual([])

    simulation.heal()
    await simulation.wait(cluster.start('e'), 60_000)
    await cluster.ready(seven, 60_000)
    await simulation.run(15_000)
    for (const key of desks) {
      const { value, epoch } = await simulation.wait(cluster.peer('b').agent(desk, key).state())
      expect(value.names.toSorted()).toEqual(['after', 'before', 'here', 'there'])
      expect(value.count).toBe(4)
      expect(epoch?.branch).toBeUndefined()
    }
    const owners = new Set(desks.map((key) => cluster.peer('a').placement.ownerOf(desk.id(key))))
    expect(owners.size).toBeGreaterThan(2)
  }, 300_000)

  test('has a steward on each of three sides where none decides', async () => {
    const simulation = createSimulation({ seed: 4 })
    const cluster = await createSimulatedCluster({ simulation, peers: seven, agents: [desk] })
    const three = [
      ['a', 'b', 'c'],
      ['d', 'e'],
      ['f', 'g']
    ]
    simulation.split(...three)
    await simulation.run(30_000)
    const branches = new Set<string>()
    for (const side of three) {
      for (const branch of await add(cluster, side, side.join(''))) branches.add(branch)
      const [steward = '', ...rest] = side
      expect(runningOn(cluster, steward)).toEqual(ids)
      expect(rest.flatMap((peer) => runningOn(cluster, peer))).toEqual([])
    }
    expect(branches.size).toBe(3)
    expect(branches).not.toContain('agreed')
    simulation.heal()
    await cluster.ready(seven, 60_000)
    await simulation.run(15_000)
    for (const key of desks) {
      const { value } = await simulation.wait(cluster.peer('b').agent(desk, key).state())
      expect(value.names.toSorted()).toEqual(['abc', 'de', 'fg'])
      expect(value.count).toBe(3)
    }
  }, 300_000)
})
