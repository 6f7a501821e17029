import { startDashboard } from './dashboard/server.ts'
import type { Dashboard } from './dashboard/server.ts'
import { openFeed } from './feed-source.ts'
import type { FeedSource } from './feed-source.ts'
import { scheduleFaults } from './faults.ts'
import { Mesh } from './mesh.ts'
import { OptionError, parseOptions, USAGE } from './options.ts'
import type { MeshOptions } from './options.ts'
import type { FeedResult } from './protocol.ts'
import { writeReport } from './report.ts'
import type { Report } from './report.ts'
import { Terminal } from './terminal.ts'
import { checkWritable } from './writable.ts'

/** Exit codes: 0 all went as asked, 1 something did not happen, 2 an option is wrong. */
async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const source = options.feed === undefined ? undefined : await openFeed(options)
  if (options.report !== undefined) await checkWritable(options.report, '--report')
  const mesh = new Mesh(options)
  const dashboard =
    options.dashboard === undefined ? undefined : await startDashboard(mesh, options.dashboard)
  try {
    return await run(mesh, options, source, dashboard)
  } finally {
    await mesh.end()
    await dashboard?.close()
    await source?.close()
  }
}

async function run(
  mesh: Mesh,
  options: MeshOptions,
  source: FeedSource | undefined,
  dashboard: Dashboard | undefined
): Promise<number> {
  const began = performance.now()
  const terminal = new Terminal(mesh, source !== undefined)
  const interrupted = onInterrupt(mesh)
  const broken = new Promise<never>((_, reject) => {
    mesh.once('broken', (reason) => reject(new Error(reason)))
  })
  broken.catch(() => undefined) // It is raced below; before that nobody waits for it.
  try {
    await Promise.race([
      mesh.start(),
      broken,
      interrupted.then(() => Promise.reject(new Interrupted()))
    ])
    if (dashboard !== undefined) terminal.note(`the mesh as a picture: ${dashboard.url}`)
    const result = new Promise<FeedResult>((resolve) => mesh.once('result', resolve))
    const faults = scheduleFaults(mesh, options.faults)
    if (source !== undefined) mesh.feed(source.path, source.total)
    const ends: Promise<FeedResult | undefined>[] = [interrupted, broken]
    if (source !== undefined) ends.push(result)
    if (options.endAfterMs !== undefined) ends.push(after(options.endAfterMs))
    const ended = (await Promise.race(ends)) ?? (source && (await partial(mesh, result)))
    const missed = faults.cancel()
    await faults.settled()
    terminal.end()
    const seconds = Math.round((performance.now() - began) / 10) / 100
    return await conclude({ mesh, options, ended, missed, seconds, live: source === undefined })
  } catch (error) {
    terminal.end()
    if (error instanceof Interrupted) return 130
    if (options.report !== undefined) {
      // A run that failed leaves a report that says so, and never the one of the run before.
      const errors = [error instanceof Error ? error.message : String(error)]
      const { failovers } = mesh
      await writeReport(options.report, {
        peers: options.peers,
        result: NOTHING,
        failovers,
        errors,
        seconds: 0
      })
    }
    throw error
  }
}

/** What was applied of a feed that is cut short, for as long as there is somebody to ask. */
async function partial(mesh: Mesh, result: Promise<FeedResult>): Promise<FeedResult> {
  mesh.conclude()
  const told = await Promise.race([result, after(PARTIAL_MAX_MS)])
  const errors = ['the run ended before the whole feed was applied']
  return { ...(told ?? NOTHING), errors: [...(told?.errors ?? []), ...errors] }
}

const PARTIAL_MAX_MS = 15_000

interface Ending {
  readonly mesh: Mesh
  readonly options: MeshOptions
  readonly ended: FeedResult | undefined
  readonly missed: readonly string[]
  readonly seconds: number
  readonly live: boolean
}

async function conclude(ending: Ending): Promise<number> {
  const { mesh, options, ended, seconds, live } = ending
  const errors = [
    ...ending.missed.map((fault) => `${fault} did not happen before the end`),
    ...mesh.failures
  ]
  const result = ended ?? NOTHING
  const report = { peers: options.peers, result, failovers: mesh.failovers, errors, seconds }
  if (options.report !== undefined) await writeReport(options.report, report)
  process.stdout.write(summary(report, live))
  for (const error of [...result.errors, ...errors]) process.stderr.write(`${error}\n`)
  return errors.length + result.errors.length === 0 ? 0 : 1
}

const NOTHING: FeedResult = {
  devices: [],
  updates: { acknowledged: 0, retried: 0, rejected: 0 },
  calls: { count: 0, p50: 0, p95: 0, p99: 0 },
  badLines: [],
  errors: []
}

function summary(report: Report, live: boolean): string {
  const { result, failovers, seconds, peers } = report
  const { acknowledged, retried, rejected } = result.updates
  const lines = [
    `${peers} peers, ${seconds} s`,
    ...failovers.map(
      ({ peer, detectedMs, servedAgainMs }) =>
        `peer ${peer} killed: noticed after ${detectedMs ?? '?'} ms, its agents served again after ${servedAgainMs ?? '?'} ms`
    )
  ]
  if (!live) {
    const { p50, p95, p99 } = result.calls
    lines.push(
      `${result.devices.length} devices, updates: ${acknowledged} acknowledged, ${retried} retried, ${rejected} rejected`,
      `calls: p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`
    )
  }
  return `${lines.join('\n')}\n`
}

class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** The first Ctrl-C ends in order; a second one at once. */
function onInterrupt(mesh: Mesh): Promise<undefined> {
  return new Promise((resolve) => {
    let before = false
    const onSignal = (): void => {
      if (before) {
        mesh.kill()
        process.exit(130)
      }
      before = true
      resolve(undefined)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}

function after(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), milliseconds).unref()
  })
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${message}\n`)
    if (error instanceof OptionError) process.exit(2)
    process.exit(1)
  }
)
