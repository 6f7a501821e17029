import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'
import { monotonicMs } from '../budgets/exact-timer.ts'

export interface OverloadPeerArguments {
  readonly bootstrap: readonly string[]
}

export interface OverloadPeerReady {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly port: number
}

/** What the bench asks of a peer. */
export type OverloadCommand =
  /** Waits until so many members are in one settled view. */
  | { readonly kind: 'whole'; readonly members: number }
  /** So many callers, each of which asks again when it is answered. */
  | { readonly kind: 'peak'; readonly owner: string; readonly callers: number; readonly ms: number }
  /** Calls at a steady rate, whatever comes of them. */
  | {
      readonly kind: 'offer'
      readonly owner: string
      readonly perSecond: number
      readonly ms: number
    }
  | { readonly kind: 'memory' }

export interface OverloadAnswer {
  readonly offered: number
  /** Answers within the deadline. */
  readonly answered: number
  readonly shed: number
  readonly refused: number
  readonly late: number
  readonly times: readonly number[]
  readonly rssMb: number
}

const DEADLINE_MS = 500
/** Agents that share the work, as a peer has many. */
const AGENTS = 32
const block = new Uint8Array(1_048_576)

const worker = defineAgent({
  type: 'worker',
  state: { done: counter() },
  actions: {
    // About 1 ms of a processor, however long that takes on a busy machine.
    work: {
      input: z.number(),
      output: z.number(),
      run({ input }) {
        createHash('sha256').update(block).digest()
        return input
      }
    }
  }
})

const init = JSON.parse(process.argv[2] ?? '{}') as OverloadPeerArguments // written by the bench
const cluster = await createCluster({
  name: 'overload',
  secret: 'a secret for this bench alone',
  agents: [worker],
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap: init.bootstrap
})
await cluster.ready()

function keysOf(owner: string): string[] {
  const keys = Array.from({ length: 4_000 }, (_, at) => `k${at}`)
  return keys.filter((key) => cluster.placement.ownerOf(worker.id(key)) === owner).slice(0, AGENTS)
}

class Tally {
  offered = 0
  answered = 0
  shed = 0
  refused = 0
  late = 0
  readonly times: number[] = []

  async call(key: string, index: number): Promise<void> {
    const from = monotonicMs()
    this.offered++
    try {
      await cluster.agent(worker, key).call('work', index, { timeoutMs: DEADLINE_MS })
      this.answered++
      this.times.push(monotonicMs() - from)
    } catch (error) {
      const name = error instanceof Error ? error.name : ''
      if (name === 'OverloadedError') this.shed++
      else if (name === 'PeerUnavailableError') this.refused++
      else this.late++
    }
  }
}

async function peak(owner: string, callers: number, ms: number, tally: Tally): Promise<void> {
  const keys = keysOf(owner)
  const until = monotonicMs() + ms
  const caller = async (_: unknown, at: number): Promise<void> => {
    for (let index = at; monotonicMs() < until; index += callers) {
      await tally.call(keys[index % keys.length] ?? '', index)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

async function offer(owner: string, perSecond: number, ms: number, tally: Tally): Promise<void> {
  const keys = keysOf(owner)
  const began = monotonicMs()
  const pending = new Set<Promise<void>>()
  while (monotonicMs() - began < ms) {
    const due = Math.floor(((monotonicMs() - began) / 1_000) * perSecond)
    while (tally.offered < due) {
      const call = tally.call(keys[tally.offered % keys.length] ?? '', tally.offered)
      pending.add(call)
      void call.then(() => pending.delete(call))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(pending)
}

async function whole(members: number): Promise<void> {
  const isWhole = (): boolean => {
    const { view, settled } = cluster.membership
    return view?.members.length === members && settled === view.number
  }
  while (!isWhole()) await new Promise((resolve) => setTimeout(resolve, 50))
}

async function serve(command: OverloadCommand): Promise<OverloadAnswer> {
  const tally = new Tally()
  if (command.kind === 'whole') await whole(command.members)
  if (command.kind === 'peak') await peak(command.owner, command.callers, command.ms, tally)
  if (command.kind === 'offer') await offer(command.owner, command.perSecond, command.ms, tally)
  const { offered, answered, shed, refused, late, times } = tally
  const rssMb = Math.round(process.memoryUsage.rss() / 1_048_576)
  return { offered, answered, shed, refused, late, times, rssMb }
}

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  createInterface({ input: socket }).on('line', (line) => {
    void serve(JSON.parse(line) as OverloadCommand) // written by the bench
      .then((answer) => socket.write(`${JSON.stringify(answer)}\n`))
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo // it listens on TCP
const ready: OverloadPeerReady = { peerId: cluster.peerId, addresses: cluster.addresses, port }
process.send?.(ready)
