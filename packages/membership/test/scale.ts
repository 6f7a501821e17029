/**
 * `node packages/membership/test/scale.ts [members] [seed] [parts]`: a large cluster in virtual time. Prints what
 * it sends when idle, how many views ten simultaneous crashes and a hundred joins take, and whether
 * loss and stalls remove anybody. Exit code 1 where an aim is missed.
 */
import { acceptorsOf } from '../src/index.ts'
import { nameOf, viewBytes, WideCluster } from './wide.ts'
import type { Traffic } from './wide.ts'

const count = Number(process.argv[2] ?? 1000)
const seed = Number(process.argv[3] ?? 1)
const joining = Math.max(1, Math.floor(count / 10))
const cluster = new WideCluster(seed, count)
const { simulation } = cluster
let isMissed = false

function report(what: string, value: string, isMet: boolean): void {
  isMissed ||= !isMet
  console.log(`${isMet ? 'met   ' : 'MISSED'} ${what}: ${value}`)
}

function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? 0
}

function perSecond(traffic: readonly Traffic[], key: keyof Traffic, ms: number): string {
  const values = traffic.map((one) => (one[key] / ms) * 1000)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const digits = key === 'bytes' ? 0 : 1
  return `mean ${mean.toFixed(digits)}, p99 ${percentile(values, 0.99).toFixed(digits)}`
}

async function idle(): Promise<void> {
  await simulation.run(9000)
  cluster.resetTraffic()
  const durationMs = 6000
  await simulation.run(durationMs)
  const [member] = cluster.members.values()
  const acceptors = new Set(member?.view ? acceptorsOf(member.view).map(({ peer }) => peer) : [])
  const plain = [...cluster.traffic].filter(([name]) => !acceptors.has(name)).map(([, one]) => one)
  const voting = [...cluster.traffic].filter(([name]) => acceptors.has(name)).map(([, one]) => one)
  const sent =
    percentile(
      plain.map(({ messages }) => messages),
      0.5
    ) /
    (durationMs / 1000)
  const bytes =
    percentile(
      plain.map((one) => one.bytes),
      0.5
    ) /
    (durationMs / 1000)
  report(
    'idle, messages sent per member and second',
    perSecond(plain, 'messages', durationMs),
    sent <= 15
  )
  report(
    'idle, bytes sent per member and second',
    perSecond(plain, 'bytes', durationMs),
    bytes <= 12_000
  )
  const theirs = perSecond(voting, 'messages', durationMs)
  console.log(
    `       idle, of each of ${voting.length} acceptors: ${theirs} messages, ${perSecond(voting, 'bytes', durationMs)} bytes`
  )
  const held = [...cluster.members.values()].filter(({ lease }) => lease.held).length
  report('leases held when idle', `${held} of ${count}`, held === count)
  console.log(`       a whole view takes ${viewBytes(cluster.names)} bytes`)
}

async function crashes(machine: boolean): Promise<void> {
  const before = cluster.views.size
  const alive = [...cluster.members.keys()]
  for (let index = 0; index < 10; index++) {
    cluster.crash(alive[Math.floor((index + 0.5) * (alive.length / 10))] ?? '', machine)
  }
  const from = simulation.now
  cluster.resetTraffic()
  const size = cluster.members.size
  const isDone = await simulation.until(() => cluster.isOne(size), 60_000)
  const views = cluster.views.size - before
  const took = ((simulation.now - from) / 1000).toFixed(1)
  const largest = Math.max(...[...cluster.traffic.values()].map(({ bytes }) => bytes))
  report(
    `ten ${machine ? 'silent' : 'killed'} at once`,
    `${isDone ? 'out' : 'NOT OUT'} after ${took} s in ${views} views; at most ${largest} bytes sent by one`,
    isDone && views <= 2
  )
}

async function noise(): Promise<void> {
  const before = cluster.views.size
  simulation.conditions({ loss: 0.05 })
  for (let round = 0; round < 2; round++) {
    const stalled = [...cluster.members.keys()].filter(() => simulation.random.next() < 0.01)
    for (const name of stalled) {
      simulation.pause(name)
    }
    await simulation.run(4900)
    for (const name of stalled) {
      simulation.resume(name)
    }
    await simulation.run(5000)
  }
  simulation.conditions({ loss: 0 })
  const views = cluster.views.size - before
  report('20 s of 5 % loss with stalls of 4.9 s', `${views} view changes`, views === 0)
}

async function joins(): Promise<void> {
  const before = cluster.views.size
  const from = simulation.now
  for (let index = 0; index < joining; index++) {
    await cluster.start(nameOf(100_000 + index))
  }
  const size = cluster.members.size
  const isDone = await simulation.until(() => cluster.isOne(size), 60_000)
  const views = cluster.views.size - before
  const took = ((simulation.now - from) / 1000).toFixed(1)
  report(
    `${joining} joins at once`,
    `${isDone ? 'in' : 'NOT IN'} after ${took} s in ${views} views`,
    isDone && views <= 5
  )
}

const began = performance.now()
await cluster.begin()
const parts = { idle, killed: () => crashes(false), silent: () => crashes(true), noise, joins }
const asked = process.argv[4]?.split(',') ?? Object.keys(parts)
for (const [, part] of Object.entries(parts).filter(([name]) => asked.includes(name))) {
  await part()
  console.log(`       ${(performance.now() - began).toFixed(0)} ms of real time so far`)
}
console.log(`members: ${count}, seed: ${seed}, aims ${isMissed ? 'MISSED' : 'met'}`)
process.exitCode = isMissed ? 1 : 0
