import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineAgent, SessionToken } from '@murmuration/agent'
import type { Cluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import type { AckLevel, PartitionPolicy } from '@murmuration/interface'
import { staticQuorum } from '@murmuration/partition'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'

/*
 * Rule 11 as a table: what is acknowledged where in a split that lasts, by the replicas that a side
 * reaches, the consistency that is asked for and the strategy of the agent type, through references as
 * a user has them. Every peer of a side is asked, for agents whose owner by the last agreed view is on
 * that side and for others, and all have to say the same. The tables in docs/acknowledged.md are what
 * this test finds; UPDATE=1 writes them.
 */

const PAGE = fileURLToPath(new URL('../../../docs/acknowledged.md', import.meta.url))
const PEERS = ['a', 'b', 'c', 'd', 'e']

const policies: Readonly<Record<string, PartitionPolicy>> = {
  'pause-minority': 'pause-minority',
  'static-quorum, size 3': staticQuorum({ size: 3 }),
  'keep-oldest': 'keep-oldest',
  'down-all': 'down-all',
  'continue-all': 'continue-all',
  'leader-election': 'leader-election'
}

const define = (type: string, onPartition: PartitionPolicy) =>
  defineAgent({
    type,
    onPartition,
    state: { hits: counter() },
    strong: { value: z.number().default(0) },
    actions: {}
  })
type Type = ReturnType<typeof define>

const types = Object.entries(policies).map(([name, policy], at) => ({
  name,
  type: define(`type-${at}`, policy)
}))

/** An agent with so many replicas on a side, its owner by the last agreed view among them or not. */
interface Subject {
  readonly policy: string
  readonly type: Type
  readonly key: string
  readonly inside: number
  readonly isOwner: boolean
}

/** Two of each kind where there are: one whose owner is on the side, and one whose owner is not. */
function subjectsOf(cluster: Cluster, side: readonly string[]): Subject[] {
  return types.flatMap(({ name, type }) => {
    const found = new Map<string, Subject>()
    for (let number = 0; number < 1_000; number++) {
      const home = cluster.placement.homeOf(type.id(`${number}`))
      const inside = home.filter((peer) => side.includes(peer)).length
      const isOwner = side.includes(home[0] ?? '')
      const kind = `${inside} ${isOwner}`
      if (!found.has(kind)) {
        found.set(kind, { policy: name, type, key: `${number}`, inside, isOwner })
      }
    }
    return [...found.values()]
  })
}

const levels: readonly AckLevel[] = ['local', 'replicated', 'majority']
const timeoutMs = 6_000

/** One question, asked of one peer: the word for a success, or why there was none. */
type Ask = (peer: Cluster, subject: Subject) => Promise<string>

const withAck =
  (consistency: 'eventual' | 'session', ack: AckLevel): Ask =>
  async (peer, { type, key }) => {
    const token = consistency === 'session' ? { session: new SessionToken() } : {}
    const options = { consistency, ack, timeoutMs, ...token }
    await peer.agent(type, key).update((draft) => draft.hits.increment(), options)
    return ack
  }
const strongly: Ask = async (peer, { type, key }) => {
  const change = (draft: { value: number }): void => void draft.value++
  await peer.agent(type, key).update(change, { consistency: 'strong', timeoutMs })
  return 'agreed'
}
const read: Ask = async (peer, { type, key }) => {
  await peer.agent(type, key).state({ timeoutMs })
  return 'read'
}
const readStale: Ask = async (peer, { type, key }) => {
  await peer.agent(type, key).state({ stale: true, timeoutMs })
  return 'stale'
}
const readStrong: Ask = async (peer, { type, key }) => {
  await peer.agent(type, key).state({ consistency: 'strong', timeoutMs })
  return 'strong'
}

/** What is asked, by the consistency that the table names. */
const writes: Readonly<Record<string, readonly Ask[]>> = {
  eventual: levels.map((ack) => withAck('eventual', ack)),
  session: levels.map((ack) => withAck('session', ack)),
  strong: [strongly]
}
const reads: Readonly<Record<string, readonly Ask[]>> = {
  read: [read, readStale, readStrong]
}

/** Twice, as a caller would who was told to ask again. */
async function answer(peer: Cluster, subject: Subject, ask: Ask): Promise<string> {
  let failure = ''
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the second attempt follows the first.
      return await ask(peer, subject)
    } catch (error) {
      failure = error instanceof Error ? error.name : String(error)
      if (failure === 'PausedError') return 'paused'
    }
  }
  // Nobody was asked who could know, or nobody answered.
  const isSilence = ['UnavailableError', 'OutcomeUnknownError', 'DeadlineExceededError'].includes(
    failure
  )
  return isSilence ? 'unavailable' : failure
}

/** What all peers of a side say of all agents of one kind: one word for each question that succeeds. */
async function cellOf(
  cluster: SimulatedCluster,
  side: readonly string[],
  subjects: readonly Subject[],
  asks: readonly Ask[]
): Promise<string> {
  const answers = await Promise.all(
    side.flatMap((name) =>
      subjects.map(async (subject) => {
        const said = asks.map((ask) => answer(cluster.peer(name), subject, ask))
        return summaryOf(await Promise.all(said))
      })
    )
  )
  // Where peers of a side differ the page would show it, and nobody could rely on either.
  return [...new Set(answers)].toSorted().join(' / ')
}

/** What succeeded; where nothing did, why. */
function summaryOf(said: readonly string[]): string {
  const failures = ['paused', 'unavailable']
  const done = said.filter((one) => !failures.includes(one))
  return done.length > 0 ? done.join(', ') : [...new Set(said)].join(', ')
}

interface Side {
  readonly name: string
  readonly peers: readonly string[]
}

async function linesOf(
  cluster: SimulatedCluster,
  side: Side,
  questions: Readonly<Record<string, readonly Ask[]>>,
  subjects: readonly Subject[]
): Promise<string[][]> {
  const counts = [...new Set(subjects.map(({ inside }) => inside))].toSorted((a, b) => b - a)
  const rowsOf = async (level: string, asks: readonly Ask[], inside: number) => {
    const cells = [true, false].map((isOwner) =>
      Promise.all(
        Object.keys(policies).map((policy) => {
          const isIt = (one: Subject): boolean =>
            one.policy === policy && one.inside === inside && one.isOwner === isOwner
          return cellOf(cluster, side.peers, subjects.filter(isIt), asks)
        })
      )
    )
    const [owned = [], other = []] = await Promise.all(cells)
    const line = (which: string, found: readonly string[]): string[] => {
      return [level, side.name, `${inside} of 3${which}`, ...found]
    }
    // Whose owner was is told where it matters.
    if (owned.join() === other.join() || other.every((cell) => cell === ''))
      return [line('', owned)]
    if (owned.every((cell) => cell === '')) return [line('', other)]
    return [line(', its owner', owned), line(', not its owner', other)]
  }
  const rows = Object.entries(questions).flatMap(([level, asks]) =>
    counts.map((inside) => rowsOf(level, asks, inside))
  )
  return (await Promise.all(rows)).flat()
}

/** Each has something to lose, and an owner. */
async function write(cluster: SimulatedCluster, subjects: readonly Subject[]): Promise<void> {
  const peer = cluster.peer('a')
  for (const ask of [withAck('eventual', 'replicated'), strongly]) {
    // One after the other: an agent may be asked of on several sides.
    for (const subject of subjects) await cluster.simulation.wait(ask(peer, subject), 60_000)
  }
}

interface Found {
  readonly writes: string[][]
  readonly reads: string[][]
}

/** One split, into these sides, of which some are asked. */
async function during(sides: readonly Side[], asked: readonly Side[]): Promise<Found> {
  const simulation = createSimulation({ seed: 1 })
  const agents = types.map(({ type }) => type)
  const cluster = await createSimulatedCluster({ simulation, peers: PEERS, agents })
  const subjects = new Map(asked.map((side) => [side, subjectsOf(cluster.peer('a'), side.peers)]))
  // Some strategies wait for the links of the new cluster to come to rest.
  await simulation.run(10_000)
  await write(cluster, [...subjects.values()].flat())
  await simulation.run(3_000)
  simulation.split(...sides.map(({ peers }) => peers))
  // Suspicion, the next view on one side, rest of the links on both, branches where there are any.
  await simulation.run(30_000)
  const found: Found = { writes: [], reads: [] }
  for (const side of asked) {
    const these = subjects.get(side) ?? []
    for (const [kind, questions] of [['writes', writes] as const, ['reads', reads] as const]) {
      const lines = linesOf(cluster, side, questions, these)
      found[kind].push(...(await simulation.wait(lines, 300_000)))
    }
  }
  return found
}

function tableOf(first: string, rows: readonly (readonly string[])[]): string {
  const head = [first, 'this side', 'replicas on it', ...Object.keys(policies)]
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function withTable(page: string, part: string, table: string): string {
  const [before = '', rest = ''] = page.split(`<!-- ${part} -->`)
  const [, after = ''] = rest.split(`<!-- ${part} end -->`)
  return `${before}<!-- ${part} -->\n\n${table}\n\n<!-- ${part} end -->${after}`
}

test('the tables of what is acknowledged and read in a split are what happens', async () => {
  const three = { name: 'decides (3 of 5)', peers: ['a', 'b', 'c'] }
  const two = { name: 'cannot decide (2 of 5)', peers: ['d', 'e'] }
  const four = { name: 'decides (4 of 5)', peers: ['a', 'b', 'c', 'd'] }
  const one = { name: 'cannot decide (1 of 5)', peers: ['e'] }
  const found = [await during([three, two], [three, two]), await during([four, one], [one])]
  const byLevel = (a: readonly string[], b: readonly string[]): number =>
    Object.keys(writes).indexOf(a[0] ?? '') - Object.keys(writes).indexOf(b[0] ?? '')
  const rows = found.flatMap((one_) => one_.writes).toSorted(byLevel)
  const readRows = found.flatMap((one_) => one_.reads.map(([, ...cells]) => ['state()', ...cells]))
  const page = readFileSync(PAGE, 'utf8')
  const written = withTable(
    withTable(page, 'updates', tableOf('consistency', rows)),
    'reads',
    tableOf('operation', readRows)
  )
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, written)
  expect(page).toBe(written)
}, 300_000)
