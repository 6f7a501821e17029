import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createRegisters } from '@murmuration/consensus'
import { counter } from '@murmuration/crdt'
import type {
  AckLevel,
  AgentRecord,
  Membership,
  Partition,
  PartitionPolicy
} from '@murmuration/interface'
import { createMembership } from '@murmuration/membership'
import { createBranches, createPartition, staticQuorum } from '@murmuration/partition'
import { createState } from '@murmuration/state'
import type { State } from '@murmuration/state'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'

/*
 * What is acknowledged where, in a split of five members into three and two that lasts: by the
 * replicas of a document that are on a side, the strategy of its agent type, and the level of
 * acknowledgement; and the same for what is agreed, the strong part. The table in docs/acknowledged.md is what this test finds; UPDATE=1 writes it.
 */

const PAGE = fileURLToPath(new URL('../../../docs/acknowledged.md', import.meta.url))
const NAMES = ['a', 'b', 'c', 'd', 'e']
const MAJORITY = ['a', 'b', 'c']
const schema = { hits: counter() }

const policies: Readonly<Record<string, PartitionPolicy>> = {
  'pause-minority': 'pause-minority',
  'static-quorum, size 3': staticQuorum({ size: 3 }),
  'keep-oldest': 'keep-oldest',
  'down-all': 'down-all',
  'continue-all': 'continue-all',
  'leader-election': 'leader-election'
}
/** Documents of types that go on on all sides have ids of their own here. */
const kindOf = (policy: string): 'doc' | 'board' =>
  policy === 'continue-all' || policy === 'leader-election' ? 'board' : 'doc'
const goesOn = ({ id }: AgentRecord): boolean => id.startsWith('test/board/')
const levels: readonly AckLevel[] = ['local', 'replicated', 'majority']

interface Peer {
  readonly name: string
  readonly membership: Membership
  readonly state: State
  readonly partition: Partition
}

async function start(simulation: Simulation): Promise<Peer[]> {
  const peers: Peer[] = []
  for (const name of NAMES) {
    const { rpc, store, clock, random, links } = simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      {
        cluster: 'test',
        found: name === 'a',
        contacts: () => ['a', 'b'],
        reporters: ['state', 'registers']
      }
    )
    const registers = createRegisters({ rpc, membership, store, clock, random })
    const partition = createPartition({ membership, rpc, clock })
    const placed = createBranches({ membership, partition, rpc, clock })
    const parts = { rpc, membership: placed, clock, random, registers, goesOn }
    const state = createState({ ...parts, store: store.sub('state/') })
    void Promise.resolve(membership.start()).then(async () => {
      void partition.start()
      await placed.start()
      await registers.start()
      return state.start()
    })
    peers.push({ name, membership, state, partition })
    await simulation.run(300)
  }
  const whole = (): boolean =>
    peers.every(({ membership: m }) => m.view?.members.length === 5 && m.settled === m.view.number)
  expect(await simulation.until(whole, 30_000)).toBe(true)
  return peers
}

/** For each number of replicas on the larger side, a document that has so many there. */
function documents(peers: readonly Peer[], kind: 'doc' | 'board'): Map<number, AgentRecord> {
  const found = new Map<number, AgentRecord>()
  for (let number = 0; found.size < 3 && number < 10_000; number++) {
    const record: AgentRecord = { id: `test/${kind}/${number}`, placement: 'hash', replicas: 3 }
    const home = peers[0]?.state.placement()?.homeOf(record) ?? []
    const inside = home.filter(({ peer }) => MAJORITY.includes(peer)).length
    if (!found.has(inside)) found.set(inside, record)
  }
  return found
}

type Attempt = (state: State, signal: AbortSignal) => Promise<unknown>

/** Whether any peer of a side acknowledges an update, trying for a while as a caller would. */
async function isAcknowledged(
  simulation: Simulation,
  side: readonly Peer[],
  attempt: Attempt
): Promise<boolean> {
  for (let round = 0; round < 4; round++) {
    for (const { state } of side) {
      const done = await simulation.wait(succeeds(simulation, state, attempt), 30_000)
      if (done) return true
    }
    await simulation.run(500)
  }
  return false
}

async function succeeds(simulation: Simulation, state: State, attempt: Attempt): Promise<boolean> {
  const late = new AbortController()
  const cancel = simulation.after(3_000, () => late.abort())
  try {
    await attempt(state, late.signal)
    return true
  } catch {
    // Not the owner, or too few copies: the next peer is asked, and the next time.
    return false
  } finally {
    cancel()
  }
}

/** An update of a CRDT part with so many copies. */
function merged(record: AgentRecord, ack: AckLevel): Attempt {
  return async (state, signal) => {
    const owned = await state.own(record, { signal })
    const { draft, operations } = owned.document.draft(schema)
    draft.hits.increment()
    await owned.commit(operations, { ack, timeoutMs: 2_000, signal })
  }
}

let sequence = 0

/** An update of a strong part: a majority of the replicas of its register agrees. */
function agreed(record: AgentRecord): Attempt {
  return async (state, signal) => {
    const options = { signal, timeoutMs: 2_000 }
    const { version } = await state.strong.read(record, options)
    const key = { session: 'table', sequence: sequence++, lowest: 0 }
    const change = { key, expected: version, value: { sequence } }
    const { status } = await state.strong.update(record, change, options)
    if (status !== 'applied') throw new Error(`it was ${status}`)
  }
}

/** What updates of a document come to on one side. */
type Outcome = (
  simulation: Simulation,
  side: readonly Peer[],
  record: AgentRecord
) => Promise<string>

const ofMerged: Outcome = async (simulation, side, record) => {
  const held: AckLevel[] = []
  for (const ack of levels) {
    if (await isAcknowledged(simulation, side, merged(record, ack))) held.push(ack)
  }
  return held.length === 0 ? 'unavailable' : held.join(', ')
}

const ofAgreed: Outcome = async (simulation, side, record) =>
  (await isAcknowledged(simulation, side, agreed(record))) ? 'agreed' : 'unavailable'

interface Row {
  readonly side: string
  readonly replicas: number
  readonly cells: readonly string[]
}

async function rowsOf(outcome: Outcome): Promise<Row[]> {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation)
  const records = { doc: documents(peers, 'doc'), board: documents(peers, 'board') }
  const sides = [
    { name: 'decides', peers: peers.filter(({ name }) => MAJORITY.includes(name)) },
    { name: 'cannot decide', peers: peers.filter(({ name }) => !MAJORITY.includes(name)) }
  ]
  simulation.split(MAJORITY, ['d', 'e'])
  // Suspicion, the next view on one side, rest of the links on both, a branch on the other one.
  await simulation.run(30_000)
  const rows: Row[] = []
  for (const { name, peers: side } of sides) {
    const isPaused = (policy: PartitionPolicy): boolean =>
      side.some(({ partition }) => partition.verdict(policy) === 'pause')
    const asked = new Set(
      Object.entries(policies).flatMap(([text, policy]) => (isPaused(policy) ? [] : kindOf(text)))
    )
    for (const inside of [3, 2, 1]) {
      const outcomes = new Map<string, string>()
      for (const kind of asked) {
        const record = records[kind].get(inside)
        if (record === undefined) throw new Error(`no ${kind} has ${inside} replicas there`)
        outcomes.set(kind, await outcome(simulation, side, record))
      }
      const cells = Object.entries(policies).map(([text, policy]) =>
        isPaused(policy) ? 'paused' : (outcomes.get(kindOf(text)) ?? '')
      )
      rows.push({ side: name, replicas: name === 'decides' ? inside : 3 - inside, cells })
    }
  }
  return rows.toSorted((a, b) =>
    a.side === b.side ? b.replicas - a.replicas : a.side < b.side ? 1 : -1
  )
}

function tableOf(rows: readonly Row[]): string {
  const head = ['this side', 'replicas on it', ...Object.keys(policies)]
  const lines = rows.map(({ side, replicas, cells }) => [side, `${replicas} of 3`, ...cells])
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...lines.map(line)].join('\n')
}

test.each([
  ['merged', ofMerged],
  ['agreed', ofAgreed]
] as const)('the table of what is %s in a split is what happens', async (part, outcome) => {
  const found = tableOf(await rowsOf(outcome))
  const page = readFileSync(PAGE, 'utf8')
  const [before = '', rest = ''] = page.split(`<!-- ${part} -->`)
  const [, after = ''] = rest.split(`<!-- ${part} end -->`)
  const written = `${before}<!-- ${part} -->\n\n${found}\n\n<!-- ${part} end -->${after}`
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, written)
  expect(page).toBe(written)
})
