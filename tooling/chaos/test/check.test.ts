import { describe, expect, it } from 'vitest'
import { check } from '../src/check.ts'
import type { Ear, HerdPeer } from '../src/herd.ts'
import type { Heard, Operation, Reading } from '../src/protocol.ts'
import { World } from '../src/world.ts'

const peer = (index: number): HerdPeer => ({
  index,
  place: { listen: '', announce: undefined, from: undefined },
  dataDir: '',
  process: undefined,
  peer: '',
  addresses: [],
  isReady: true,
  status: undefined,
  errorText: ''
})

const operation = (
  action: Operation['action'],
  name: string,
  outcome: Operation['outcome'],
  more: Partial<Operation> = {}
): Operation => ({
  client: 1,
  life: 7,
  kind: 'ledger',
  key: 'k',
  action,
  name,
  begun: 0,
  ms: 5,
  stalledMs: 0,
  outcome,
  ...more
})

const reading = (count: number, names: readonly string[]): Reading => ({
  count,
  names,
  replicas: []
})

interface Run {
  readonly operations: readonly Operation[]
  readonly held?: readonly Reading[]
  readonly ears?: readonly Ear[]
  readonly world?: World
  readonly read?: (peer: HerdPeer) => Promise<Reading>
}

const writes: readonly Operation['action'][] = [
  'add',
  'remove',
  'append',
  'act',
  'write',
  'publish'
]

/** Checks a run in which clients saw these operations, and every peer holds this. */
function judge({ operations, held = [reading(0, [])], ears = [], world, ...of }: Run) {
  const begun = operations
    .filter(({ action }) => writes.includes(action))
    .map((each) => ({ ...each, outcome: 'begun' as const }))
  const ended = operations.filter(({ outcome }) => outcome !== 'begun')
  const up = held.map((_, index) => peer(index))
  const read =
    of.read ?? (async ({ index }: HerdPeer): Promise<Reading> => held[index] ?? reading(0, []))
  const herd = { begun, operations: ended, up, read, ears: [...ears], wiped: new Set<number>() }
  return check({ ...herd, world: world ?? new World() }, new Set(), 0, 0)
}

const nothing = {
  lost: [],
  doubled: [],
  resurrected: [],
  unequal: [],
  behind: [],
  lists: [],
  fencing: [],
  sessions: [],
  signals: [],
  late: []
}

describe('the checks of sets', () => {
  it('find nothing where everything held', async () => {
    const operations = [
      operation('add', 'a', 'ok'),
      operation('add', 'b', 'unknown'),
      operation('add', 'c', 'failed'),
      operation('add', 'd', 'ok'),
      operation('remove', 'd', 'ok')
    ]
    // What failed or is unknown may have happened or not.
    expect(await judge({ operations, held: [reading(3, ['a', 'b'])] })).toEqual(nothing)
    expect(await judge({ operations, held: [reading(2, ['a'])] })).toEqual(nothing)
  })

  it('find what was acknowledged and lost', async () => {
    const { lost } = await judge({ operations: [operation('add', 'a', 'ok')] })
    expect(lost).toEqual(['ledger/k a on its owner', 'ledger/k counts 0 of 1'])
  })

  it('tell an owner that was behind from one that lost something', async () => {
    let asked = 0
    const operations = [operation('add', 'a', 'ok')]
    const read = async (): Promise<Reading> => (asked++ === 0 ? reading(0, []) : reading(1, ['a']))
    const { lost, behind } = await judge({ operations, read })
    expect(lost).toEqual([])
    expect(behind).toEqual([expect.stringMatching(/^ledger\/k showed all only after \d+ ms$/)])
  })

  it('find what was counted twice, and what nobody wrote', async () => {
    const held = [reading(2, ['a', 'x'])]
    const { doubled } = await judge({ operations: [operation('add', 'a', 'ok')], held })
    expect(doubled).toHaveLength(2)
  })

  it('find a removal that came back', async () => {
    const operations = [operation('add', 'a', 'ok'), operation('remove', 'a', 'ok')]
    const { resurrected } = await judge({ operations, held: [reading(1, ['a'])] })
    expect(resurrected).toEqual(['ledger/k a on its owner'])
  })

  it('believe a removal that saw nothing only where a side may go on alone', async () => {
    for (const kind of ['ledger', 'board'] as const) {
      const of = { kind }
      const added = operation('add', 'a', 'ok', of)
      const held = [reading(1, ['a'])]
      const unseen = operation('remove', 'a', 'ok', { ...of, had: false })
      const { resurrected } = await judge({ operations: [added, unseen], held })
      expect(resurrected).toHaveLength(kind === 'ledger' ? 1 : 0)
      const seen = operation('remove', 'a', 'ok', { ...of, had: true })
      const back = await judge({ operations: [added, seen], held })
      expect(back.resurrected).toEqual([`${kind}/k a on its owner`])
    }
  })

  it('find copies that differ, and operations beyond their deadline', async () => {
    const { unequal, late } = await judge({
      operations: [operation('add', 'a', 'ok', { ms: 20_000 })],
      held: [reading(1, ['a']), reading(0, [])]
    })
    expect(unequal).toEqual(['ledger/k (counts 0: 1, 1: 0)'])
    expect(late).toHaveLength(1)
  })
})

describe('the checks of agreed lists', () => {
  const append = (name: string, begun: number, list?: readonly string[]): Operation =>
    list === undefined
      ? operation('append', name, 'begun', { kind: 'journal', begun })
      : operation('append', name, 'ok', { kind: 'journal', begun, list })

  it('hold for appends in real time, also ones of which nothing more is known', async () => {
    const operations = [
      append('a', 0, ['a']),
      append('b', 10),
      operation('list', '', 'ok', { kind: 'journal', begun: 20, list: ['a', 'b'] })
    ]
    expect(await judge({ operations })).toEqual(nothing)
  })

  it('find an acknowledged append that a later read does not see', async () => {
    const operations = [
      append('a', 0, ['a']),
      append('b', 10, ['a', 'b']),
      operation('list', '', 'ok', { kind: 'journal', begun: 20, list: ['a'] })
    ]
    const { lists } = await judge({ operations })
    expect(lists).toEqual([expect.stringContaining('monotone in real time')])
  })

  it('find an append that was said to have failed', async () => {
    const operations = [
      operation('append', 'a', 'failed', { kind: 'journal' }),
      operation('list', '', 'ok', { kind: 'journal', begun: 20, list: ['a'] })
    ]
    expect((await judge({ operations })).lists).toEqual([expect.stringContaining('a failed')])
  })
})

describe('the checks of claims', () => {
  const act = (name: string): Operation => operation('act', name, 'ok', { kind: 'shift' })
  const effect = (name: string, view: number, boot = 1) => ({
    key: 'k',
    epoch: { view, boot },
    name
  })

  it('take no effect of an owner that was replaced, and count it', async () => {
    const world = new World()
    expect(world.take(1, effect('a', 1))).toBe(true)
    expect(world.take(2, effect('b', 2))).toBe(true)
    expect(world.take(1, effect('c', 1, 9))).toBe(false)
    expect(world.refused).toBe(1)
    expect(await judge({ operations: [act('a'), act('b')], world })).toEqual(nothing)
  })

  it('find two owners of one epoch, and a call acknowledged without its effect', async () => {
    const world = new World()
    world.take(1, effect('a', 1))
    world.take(2, effect('b', 1))
    const { fencing } = await judge({ operations: [act('a'), act('lost')], world })
    expect(fencing).toEqual([
      'one claim for each epoch: k: 1 and 2 both claimed epoch 1000001',
      'acknowledged without its effect: k lost'
    ])
  })

  it('find an epoch that went back', async () => {
    const claim = (client: number, view: number, begun: number): Operation =>
      operation('claim', '', 'ok', { kind: 'shift', client, begun, epoch: { view, boot: 1 } })
    const { fencing } = await judge({ operations: [claim(1, 2, 0), claim(2, 1, 100)] })
    expect(fencing).toEqual([expect.stringContaining('epochs rise in real time')])
  })
})

describe('the checks of sessions', () => {
  it('find a session that does not read its own write', async () => {
    const diary = { kind: 'diary', versions: { w: 1 } } as const
    const operations = [
      operation('write', 'w:1', 'ok', diary),
      operation('read', '', 'ok', { ...diary, begun: 10 })
    ]
    expect(await judge({ operations })).toEqual(nothing)
    const stale = operation('read', '', 'ok', { kind: 'diary', versions: {}, begun: 20 })
    const { sessions } = await judge({ operations: [...operations, stale] })
    expect(sessions.join()).toContain('read your writes')
  })
})

describe('the checks of signals', () => {
  const heard = (name: string, durable = true): Heard => ({ name, author: '', durable })
  const ear = (names: readonly Heard[]): Ear => ({
    peer: 2,
    heard: [...names],
    subscribedMs: -1,
    endedMs: undefined
  })
  const published = (name: string): Operation =>
    operation('publish', name, 'ok', { kind: 'signal', key: 'at-least-once' })

  it('hold where every accepted signal was heard once, in order', async () => {
    const operations = [published('1.7.0'), published('1.7.1')]
    const ears = [
      ear([heard('1.7.0'), heard('1.7.1'), heard('1.7.1', false), heard('1.7.0', false)])
    ]
    // A plain subscription may get what was missing late.
    expect(await judge({ operations, ears })).toEqual(nothing)
  })

  it('find a lost, a doubled and an overtaken signal', async () => {
    const operations = [published('1.7.0'), published('1.7.3')]
    const ears = [ear([heard('1.7.2'), heard('1.7.2'), heard('1.7.0')])]
    const { signals } = await judge({ operations, ears })
    expect(signals).toEqual([
      'each signal once: peer 2 heard 1.7.2 twice',
      'durable signals in order: peer 2 heard 1.7.0 after 2',
      'accepted signals are handled: 1.7.3 by peer 2'
    ])
  })
})
