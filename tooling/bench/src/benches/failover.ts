import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, BenchContext, BenchResult, Cell, Promised } from '../bench.ts'
import { Remote } from '../scaling/control.ts'
import type { ScalingPeerArguments, ScalingPeerReady } from '../scaling/peer.ts'

const PEERS = 5
/** What rule 9 aims at, and how often it is looked at. A silent one costs ten seconds each time. */
const CASES = [
  { name: 'killed', signal: 'SIGKILL', rounds: 20, servedP95Ms: 3_000 },
  { name: 'silent', signal: 'SIGSTOP', rounds: 5, servedP95Ms: 9_000 }
] as const
/** A case ends early when its time is over: what it has until then is what it reports. */
const CASE_MS = 100_000

interface Peer extends ScalingPeerReady {
  readonly remote: Remote
}

class Failover {
  readonly #context: BenchContext
  readonly #folder: string
  readonly #peers: Peer[] = []

  constructor(context: BenchContext, folder: string) {
    this.#context = context
    this.#folder = folder
  }

  async start(): Promise<void> {
    for (let at = 0; at < PEERS; at++) await this.#startPeer(at)
  }

  stop(): void {
    for (const { remote } of this.#peers) remote.stop()
  }

  /** Milliseconds from each loss of an owner to the next answer of its agent. */
  async measure(signal: 'SIGKILL' | 'SIGSTOP', rounds: number): Promise<number[]> {
    const served: number[] = []
    const began = performance.now()
    for (let round = 0; round < rounds && performance.now() - began < CASE_MS; round++) {
      const at = 1 + (round % (PEERS - 1))
      const [asking] = this.#peers
      const owner = this.#peers[at]
      if (asking === undefined || owner === undefined) throw new Error('a peer was not started')
      const { failed } = await asking.remote.ask({
        kind: 'use',
        owner: owner.peerId,
        members: PEERS
      })
      if (failed > 0) throw new Error(`${owner.peerId} owns none of 400 agents`)
      const lostAt = performance.now()
      process.kill(owner.pid, signal)
      await asking.remote.ask({ kind: 'answered' })
      served.push(performance.now() - lostAt)
      this.#context.progress(`${signal} ${round + 1}: ${Math.round(served.at(-1) ?? 0)} ms`)
      if (signal === 'SIGSTOP') process.kill(owner.pid, 'SIGKILL')
      await this.#startPeer(at)
    }
    return served
  }

  /** Starts a peer, anew on its disk if it ran before. */
  async #startPeer(at: number): Promise<void> {
    const bootstrap = at === 0 ? [] : (this.#peers[0]?.addresses ?? [])
    const init: ScalingPeerArguments = { bootstrap, dataDir: join(this.#folder, `peer-${at}`) }
    const module = new URL('../scaling/peer.ts', import.meta.url)
    const started = await this.#context.start(module, [JSON.stringify(init)])
    const ready = started as ScalingPeerReady // its first message
    this.#peers[at] = { ...ready, remote: new Remote(ready.controlPort) }
  }
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  const place = Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)
  return Math.round(sorted[place] ?? Number.NaN)
}

async function run(context: BenchContext): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'failover-bench-'))
  const failover = new Failover(context, folder)
  const rows: Cell[][] = []
  const figures: Record<string, readonly number[]> = {}
  const promises: Promised[] = []
  try {
    await failover.start()
    for (const { name, signal, rounds, servedP95Ms } of CASES) {
      if (!context.wants(name)) continue
      context.progress(`${rounds} times an owner is ${name}`)
      const served = await failover.measure(signal, rounds)
      const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentile(served, share))
      figures[name] = served.map(Math.round)
      rows.push([name, String(served.length), p50 ?? '', p95 ?? '', p99 ?? ''])
      promises.push({
        what: `an owner is ${name}: its agent answers again after ${p95} ms at p95 of ${served.length}, at most ${servedP95Ms}`,
        kept: p95 !== undefined && p95 <= servedP95Ms
      })
    }
  } finally {
    failover.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const title = `From the loss of an owner to the next answer of its agent, ${PEERS} processes, ms`
  const columns = ['owner is', 'times', 'p50', 'p95', 'p99']
  return { tables: [{ title, columns, rows }], figures, promises }
}

/** The times of rule 9, from outside: until a call is answered again. */
export const failover: Bench = {
  name: 'failover',
  summary: 'time from the death or silence of an owner to the next answer, 5 processes',
  timeLimitMs: 260_000,
  run
}
