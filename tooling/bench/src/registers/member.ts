import { connect } from 'node:net'
import { createCluster } from '@murmuration/cluster'
import type { Registers } from '@murmuration/interface'
import { load, median } from '../load.ts'
import type { Load } from '../load.ts'

/** One of three members with disks. The last one measures, for registers are changed by members. */
export interface MemberArguments {
  readonly bootstrap: readonly string[]
  readonly dataDir: string
  /** Port of the echo that syncs; given to the member that measures. */
  readonly echoPort?: number
}

/** What the member that measures found, by name of the operation. */
export type Measured = Readonly<Record<string, Load>>

const MEMBERS = 3
const ROUNDS = 3
const SECONDS = 1.5
const VALUE = new Uint8Array(200)

const init = JSON.parse(process.argv[2] ?? '{}') as MemberArguments // written by the bench
const cluster = await createCluster({
  name: 'registers',
  secret: 'a secret for this bench alone',
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap: init.bootstrap,
  dataDir: init.dataDir
})
process.on('disconnect', () => process.exit(0))
if (init.echoPort === undefined) {
  process.send?.(cluster.addresses)
} else {
  process.send?.(await measure(init.echoPort))
}

async function measure(echoPort: number): Promise<Measured> {
  await cluster.ready()
  const { membership, registers } = cluster
  while (
    cluster.members().length < MEMBERS ||
    membership.settled < (membership.view?.number ?? 1)
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (registers === undefined) throw new Error('this member has no registers')
  const echo = await echoOf(echoPort)
  let next = 0
  const change = (id: string): (() => Promise<void>) => committed(registers, id, true)
  const operations: readonly (readonly [string, () => Promise<unknown>, number])[] = [
    ['echo with a synced write', echo, 1],
    ['change, last word here', change('hot'), 1],
    ['change, new register', () => change(`new-${next++}`)(), 1],
    ['read', committed(registers, 'hot', false), 1],
    ['64 changes of 64 registers', () => change(`r${next++ % 64}`)(), 64],
    ['64 changes of one register', change('hot'), 64],
    ['64 reads of 64 registers', () => committed(registers, `r${next++ % 64}`, false)(), 64]
  ]
  const found: Record<string, Load[]> = {}
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, run, width] of operations) {
      const one = await load(run, width, round === 0 ? SECONDS / 3 : SECONDS)
      // The first round warms up.
      if (round > 0) (found[name] ??= []).push(one)
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, loads]) => [name, middleOf(loads)]))
}

function committed(registers: Registers, id: string, isChange: boolean): () => Promise<void> {
  const key = { id: `bench/register/${id}`, replicas: MEMBERS }
  return async () => {
    const outcome = isChange ? await registers.change(key, () => VALUE) : await registers.read(key)
    if (outcome.status !== 'committed') throw new Error(`an operation was ${outcome.status}`)
  }
}

async function echoOf(port: number): Promise<() => Promise<void>> {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return () =>
    new Promise<void>((resolve) => {
      socket.once('data', () => resolve())
      socket.write(VALUE)
    })
}

function middleOf(loads: readonly Load[]): Load {
  const of = (field: keyof Load): number => median(loads.map((one) => one[field]))
  return {
    calls: of('calls'),
    p50: of('p50'),
    p95: of('p95'),
    p99: of('p99'),
    perSecond: of('perSecond'),
    cpu: of('cpu')
  }
}
