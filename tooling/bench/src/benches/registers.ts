import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, BenchContext, BenchResult } from '../bench.ts'
import type { Measured, MemberArguments } from '../registers/member.ts'

const MEMBERS = 3
/** No operation on a register may take longer at the 95th percentile, alone, without delay. */
const BUDGET_MS = 10

async function measure(context: BenchContext, folder: string): Promise<Measured> {
  const echo = new URL('../registers/echo-disk.ts', import.meta.url)
  const echoPort = (await context.start(echo, [join(folder, 'echo')])) as number // it sends its port
  let bootstrap: readonly string[] = []
  for (let at = 0; ; at++) {
    const isLast = at === MEMBERS - 1
    const init: MemberArguments = {
      bootstrap,
      dataDir: join(folder, `peer-${at}`),
      ...(isLast ? { echoPort } : {})
    }
    context.progress(isLast ? 'measuring' : `member ${at + 1}`)
    const member = new URL('../registers/member.ts', import.meta.url)
    const answer = await context.start(member, [JSON.stringify(init)])
    // The last member sends what it measured, the others where they are.
    if (isLast) return answer as Measured
    bootstrap = [...bootstrap, ...(answer as readonly string[])]
  }
}

async function run(context: BenchContext): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'registers-'))
  try {
    const measured = await measure(context, folder)
    const rows = Object.entries(measured)
    const floor = rows[0]?.[1].p50 ?? Number.NaN
    return {
      tables: [
        {
          title: 'Registers on three members with synced disks, one machine; times in ms',
          columns: ['operation', 'p50', 'p95', 'p99', 'per second', '× echo + sync'],
          rows: rows.map(([name, { p50, p95, p99, perSecond }]) => [
            name,
            ...[p50, p95, p99].map((micros) => Math.round(micros) / 1_000),
            Math.round(perSecond),
            Math.round((10 * p50) / floor) / 10
          ])
        }
      ],
      figures: measured,
      promises: rows.slice(1, 4).map(([name, { p95 }]) => ({
        what: `${name}: p95 ${Math.round(p95) / 1_000} ms below ${BUDGET_MS} ms`,
        kept: p95 < 1_000 * BUDGET_MS
      }))
    }
  } finally {
    await context.endChildren()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Changes and reads of registers, next to one round trip with a synced write. */
export const registers: Bench = {
  name: 'registers',
  summary: 'linearizable registers on three members with disks, alone and 64 at once',
  timeLimitMs: 120_000,
  run
}
