import type { Bench, BenchContext, BenchResult, Cell } from '../bench.ts'
import {
  freePort,
  moleculer,
  payloadBytes,
  rawEcho,
  rpc,
  streamPerRequest
} from '../calls/contenders.ts'
import type { Contender } from '../calls/contenders.ts'
import type { ServerAddresses } from '../calls/server.ts'
import { load, median } from '../load.ts'
import type { Load } from '../load.ts'

const rounds = 3
const warmUpSeconds = 0.7
const seconds = 1
const width = 64

/** p50 alone, as a multiple of the raw echo. */
const ratioMax = 4
/** Calls per second with 64 under way. */
const perSecondMin = 30_000

interface Measured {
  readonly contender: Contender
  readonly alone: Load[]
  readonly many: Load[]
}

/** Remote calls between two processes, next to a raw socket and to other frameworks. */
export const calls: Bench = {
  name: 'calls',
  summary: `remote calls of ${payloadBytes} bytes between two processes, alone and ${width} at once`,
  timeLimitMs: 180_000,
  run
}

async function run(context: BenchContext): Promise<BenchResult> {
  const [serverPort, callerPort] = [await freePort(), await freePort()]
  const started = await context.start(new URL('../calls/server.ts', import.meta.url), [
    String(serverPort),
    String(callerPort)
  ])
  // The first message of `server.ts` has this type.
  const addresses = started as ServerAddresses
  const contenders = [
    await rawEcho(addresses),
    await streamPerRequest(addresses),
    await moleculer(callerPort, serverPort),
    await rpc(addresses, 'tls'),
    await rpc(addresses, 'noise')
  ]
  const measured = contenders.map((contender): Measured => ({ contender, alone: [], many: [] }))
  for (const { contender } of measured) await load(contender.call, width, warmUpSeconds)
  // Rounds over all contenders, so that a busy moment of the machine does not fall on one of them.
  for (let round = 1; round <= rounds; round++) {
    for (const { contender, alone, many } of measured) {
      context.progress(`round ${round} of ${rounds}: ${contender.name}`)
      alone.push(await load(contender.call, 1, seconds))
      many.push(await load(contender.call, width, seconds))
    }
  }
  await Promise.all(contenders.map((contender) => contender.stop()))
  return report(measured)
}

/** Medians over the rounds; the ratio is formed within each round, then its median taken. */
function summarise({ contender, alone, many }: Measured, floor: Measured) {
  const ratio = (values: readonly Load[], floors: readonly Load[], of: 'p50' | 'perSecond') =>
    median(values.map((value, round) => value[of] / (floors[round]?.[of] ?? Number.NaN)))
  return {
    name: contender.name,
    secured: contender.secured,
    p50: median(alone.map(({ p50 }) => p50)),
    p95: median(alone.map(({ p95 }) => p95)),
    p99: median(alone.map(({ p99 }) => p99)),
    p50Ratio: ratio(alone, floor.alone, 'p50'),
    perSecond: median(many.map(({ perSecond }) => perSecond)),
    perSecondRatio: ratio(many, floor.many, 'perSecond'),
    manyP99: median(many.map(({ p99 }) => p99)),
    cpuAlone: median(alone.map(({ cpu }) => cpu)),
    cpuMany: median(many.map(({ cpu }) => cpu))
  }
}

function report(measured: readonly Measured[]): BenchResult {
  const [floor] = measured
  if (floor === undefined) throw new Error('Nothing was measured')
  const rows = measured.map((each) => summarise(each, floor))
  const promises = rows
    .filter(({ name }) => name.startsWith('@murmuration'))
    .flatMap(({ name, p50Ratio, perSecond }) => [
      {
        what: `${name}: p50 alone at most ${ratioMax} times the raw echo (${p50Ratio.toFixed(2)})`,
        kept: p50Ratio <= ratioMax
      },
      {
        what: `${name}: ${width} at once, at least ${perSecondMin.toLocaleString('en')} calls/s (${Math.round(perSecond).toLocaleString('en')})`,
        kept: perSecond >= perSecondMin
      }
    ])
  return {
    tables: [
      {
        title: `calls: ${payloadBytes} bytes there and back between two processes on loopback; median of ${rounds} rounds`,
        columns: [
          '',
          'p50 µs',
          'p95',
          'p99',
          'x floor',
          `${width} at once, calls/s`,
          'of floor',
          'p99 µs',
          'CPU µs/call',
          'secured'
        ],
        rows: rows.map((row): Cell[] => [
          row.name,
          row.p50,
          row.p95,
          row.p99,
          row.p50Ratio,
          row.perSecond,
          `${(100 * row.perSecondRatio).toFixed(0)} %`,
          row.manyP99,
          row.cpuMany,
          row.secured ? 'yes' : 'no'
        ])
      }
    ],
    figures: { payloadBytes, rounds, width, contenders: rows },
    promises
  }
}
