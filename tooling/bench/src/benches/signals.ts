import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, BenchContext, BenchResult } from '../bench.ts'
import { payloadBytes, startNode } from '../signals/node.ts'
import type { BenchNode, Kind } from '../signals/node.ts'
import type { PeerInit, PeerReady } from '../signals/peer.ts'
import type { Publishing, Report } from '../signals/traffic.ts'

const peersCount = 5
const warmUpSeconds = 1
/**
 * Then a signal at a time from each publisher, until V8 has compiled what runs: peers that serve for
 * minutes are meant. Plain gossip gets as much.
 */
const warmUp: Publishing = { seconds: 8, perSecond: 75 }
const publishersCount = 4
const burstSeconds = 3
const calmSeconds = 4
/** How often latencies are measured, in turns with what they are compared with. */
const rounds = 3
/** Signals per second of one publisher, which plain gossip can carry too. */
const calmPerSecond = 50
/** Publications under way at a time. Plain gossip holds nobody back, so more would only pile up. */
const widths: Readonly<Record<Kind, number>> = { plain: 2, signals: 512 }

const deliveriesMin = 20_000
const p95Max = 5
const plainRatioMin = 10
const loudRatioMax = 2

interface Measured {
  readonly deliveriesPerSecond: number
  readonly calm: Quantiles
}

interface Beside {
  readonly alone: Quantiles
  readonly together: Quantiles
  /** The loud one itself. */
  readonly loud: Quantiles
  readonly troubles: Readonly<Record<string, number>>
}

/** Who publishes how. */
type Publishers = readonly (readonly [number, Publishing])[]

interface Quantiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly count: number
}

/** Five processes that gossip; this one only tells them what to do. */
class Mesh {
  readonly #control: BenchNode
  readonly #peers: readonly PeerReady[]
  readonly #kind: Kind

  private constructor(kind: Kind, control: BenchNode, peers: readonly PeerReady[]) {
    this.#kind = kind
    this.#control = control
    this.#peers = peers
  }

  static async start(context: BenchContext, kind: Kind, folder: string): Promise<Mesh> {
    const peers: PeerReady[] = []
    for (let index = 0; index < peersCount; index++) {
      const init: PeerInit = {
        kind,
        folder: join(folder, `${kind}-${index}`),
        dial: peers.map(({ address }) => address),
        index
      }
      const started = await context.start(new URL('../signals/peer.ts', import.meta.url), [
        JSON.stringify(init)
      ])
      // The first message of `peer.ts` has this type.
      peers.push(started as PeerReady)
    }
    const control = await startNode(
      'plain',
      '',
      peers.map(({ address }) => address)
    )
    const mesh = new Mesh(kind, control, peers)
    while ((await mesh.#all('listeners')).some(([count]) => (count ?? 0) < peersCount - 1)) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return mesh
  }

  /** Some publish at the same time; all others and they themselves listen. */
  async run(publishers: Publishers): Promise<readonly Report[]> {
    await this.#all('reset')
    const sent = await Promise.all(
      publishers.map(async ([index, publishing]) => {
        const request = new TextEncoder().encode(JSON.stringify(publishing))
        const reply = await this.#call(index, 'publish', request)
        return Number(new TextDecoder().decode(reply))
      })
    )
    const own = new Map(publishers.map(([index], at) => [index, sent[at] ?? 0]))
    const expected = sent.reduce((sum, count) => sum + count, 0)
    // Plain gossip may lose some: that shows in its figures, after a moment.
    const late = performance.now() + 5000
    for (;;) {
      const reports = await this.#reports()
      // What is still under way then would count as late in what is measured next.
      const whole = reports.every(({ count }, index) => {
        // Plain gossip does not hand a peer what it publishes itself.
        return count >= expected - (this.#kind === 'plain' ? (own.get(index) ?? 0) : 0)
      })
      if (whole || performance.now() > late) return reports
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async stop(): Promise<void> {
    await this.#control.libp2p.stop()
  }

  async #reports(): Promise<readonly Report[]> {
    const replies = await this.#all('received')
    return replies.map((reply, index) => {
      // `peer.ts` writes it.
      const heard = JSON.parse(new TextDecoder().decode(reply)) as Report
      // What a peer publishes it hears itself without a network, if at all.
      return { ...heard, latencies: { ...heard.latencies, [index]: [] } }
    })
  }

  #all(method: string): Promise<Uint8Array[]> {
    return Promise.all(this.#peers.map((_, index) => this.#call(index, method)))
  }

  #call(index: number, method: string, request = new Uint8Array(0)): Promise<Uint8Array> {
    const peer = this.#peers[index]?.peer ?? ''
    return this.#control.rpc.call(peer, method, request, { timeoutMs: 60_000 })
  }
}

/** A mesh that is warm, and what one publisher gets through it. */
async function burst(
  context: BenchContext,
  kind: Kind,
  folder: string
): Promise<readonly [number, Mesh]> {
  const mesh = await Mesh.start(context, kind, folder)
  context.progress(`${kind}: five processes, warming up`)
  await mesh.run([[0, { seconds: warmUpSeconds, width: widths[kind] }]])
  await mesh.run(Array.from({ length: publishersCount }, (_, index) => [index, warmUp] as const))
  context.progress(`${kind}: as much as one publisher can`)
  const begun = performance.now()
  const reports = await mesh.run([[0, { seconds: burstSeconds, width: widths[kind] }]])
  const seconds = (performance.now() - begun) / 1000
  const delivered = reports.slice(1).reduce((sum, { count }) => sum + count, 0)
  return [delivered / seconds, mesh]
}

/** How late the signals of some authors were, at whoever listened. */
function quantiles(reports: readonly Report[], authors: readonly number[]): Quantiles {
  const all = Float64Array.from(
    reports.flatMap(({ latencies }) => authors.flatMap((author) => latencies[author] ?? []))
  ).toSorted()
  const at = (share: number): number => all[Math.floor(share * all.length)] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), count: all.length }
}

const one: Publishers = [[0, { seconds: calmSeconds, perSecond: calmPerSecond }]]
const three: Publishers = [0, 1, 2].map((index) => [
  index,
  { seconds: calmSeconds, perSecond: calmPerSecond }
])
const threeAndLoud: Publishers = [
  ...three,
  [3, { seconds: calmSeconds, perSecond: 10 * calmPerSecond }]
]

/**
 * One publisher, three, and three beside a fourth one that is ten times as loud: in turns, so that what
 * else goes on in a machine meets all of them alike.
 */
async function inTurns(
  context: BenchContext,
  mesh: Mesh
): Promise<{ readonly calm: Quantiles; readonly beside: Beside }> {
  const loads = [one, three, threeAndLoud]
  const reports = loads.map((): Report[] => [])
  let last: readonly Report[] = []
  for (let turn = 1; turn <= rounds; turn++) {
    context.progress(`signals: round ${turn}: one publisher, three, and one ten times as loud`)
    for (const [index, load] of loads.entries()) {
      last = await mesh.run(load)
      reports[index]?.push(...last)
    }
  }
  const [calm = [], alone = [], together = []] = reports
  return {
    calm: quantiles(calm, [0]),
    beside: {
      alone: quantiles(alone, [0, 1, 2]),
      together: quantiles(together, [0, 1, 2]),
      loud: quantiles(together, [3]),
      troubles: troublesOf(last)
    }
  }
}

/** What the buses have counted that is not the smooth way, over the whole run. */
function troublesOf(reports: readonly Report[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { counters } of reports) {
    for (const [name, count] of Object.entries(counters)) {
      if (/^(missing|repaired|lost|late|corrupt|reopened|queue-full|rejected:.*)$/.test(name)) {
        sums[name] = (sums[name] ?? 0) + count
      }
    }
  }
  return sums
}

async function run(context: BenchContext): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'signals-'))
  try {
    const [plainDeliveries, plainMesh] = await burst(context, 'plain', folder)
    const plainCalm = await plainMesh.run(one)
    await plainMesh.stop()
    await context.endChildren()
    const [deliveries, mesh] = await burst(context, 'signals', folder)
    const { beside, calm } = await inTurns(context, mesh)
    await mesh.stop()
    return report(
      { deliveriesPerSecond: plainDeliveries, calm: quantiles(plainCalm, [0]) },
      { deliveriesPerSecond: deliveries, calm },
      beside
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function report(
  plain: Measured,
  bus: Measured,
  { alone, loud, together, troubles }: Beside
): BenchResult {
  const ratio = bus.deliveriesPerSecond / plain.deliveriesPerSecond
  const loudRatio = together.p95 / alone.p95
  const latency = (name: string, { p50, p95, p99 }: Quantiles): (number | string)[] => [
    name,
    round(p50),
    round(p95),
    round(p99)
  ]
  const row = (name: string, { calm, deliveriesPerSecond }: Measured): (number | string)[] => [
    name,
    Math.round(deliveriesPerSecond),
    round(deliveriesPerSecond / plain.deliveriesPerSecond),
    ...latency('', calm).slice(1)
  ]
  return {
    tables: [
      {
        title: `signals: ${payloadBytes} bytes between ${peersCount} processes over TLS; latency at ${calmPerSecond}/s, ms`,
        columns: ['', 'deliveries/s', 'x plain', 'p50', 'p95', 'p99'],
        rows: [row('gossipsub, StrictSign', plain), row('@murmuration/signals', bus)]
      },
      {
        title: `signals: three publishers at ${calmPerSecond}/s, ms`,
        columns: ['', 'p50', 'p95', 'p99'],
        rows: [
          latency('alone', alone),
          latency(`and one at ${10 * calmPerSecond}/s`, together),
          latency('that one itself', loud)
        ]
      },
      {
        title: 'signals: what was missed on the way, or refused, in the whole run',
        columns: ['', 'count'],
        rows: Object.entries(troubles)
      }
    ],
    figures: { plain, bus, alone, together, loud, troubles },
    promises: [
      {
        what: `at least ${deliveriesMin.toLocaleString('en')} deliveries/s (${Math.round(bus.deliveriesPerSecond).toLocaleString('en')})`,
        kept: bus.deliveriesPerSecond >= deliveriesMin
      },
      {
        what: `at least ${plainRatioMin} times plain gossipsub (${ratio.toFixed(1)})`,
        kept: ratio >= plainRatioMin
      },
      {
        what: `publish to deliver: p95 below ${p95Max} ms (${bus.calm.p95.toFixed(2)})`,
        kept: bus.calm.p95 < p95Max
      },
      {
        what: `a member at ten times the rate does not double the p95 of others (${loudRatio.toFixed(2)} times)`,
        kept: loudRatio < loudRatioMax
      }
    ]
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** Signals beside gossipsub as it comes, in the same run. */
export const signals: Bench = {
  name: 'signals',
  summary: `signals of ${payloadBytes} bytes between ${peersCount} processes, beside plain gossipsub`,
  timeLimitMs: 240_000,
  run
}
