/**
 * `pnpm chaos`: breaks a cluster of real processes in many ways, and checks that it keeps what it
 * promised. Exit codes: 0 all held, 1 something did not, 2 an option is wrong.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { runDurability } from './durability.ts'
import { runLinearizable } from './linearizable.ts'
import { NamespaceNetwork, whyNoNamespaces } from './namespaces.ts'
import { ProxyNetwork } from './network.ts'
import type { Network } from './network.ts'
import { OptionError, parseOptions, USAGE } from './options.ts'
import type { ChaosOptions } from './options.ts'
import { pageOf } from './page.ts'
import { runScenario } from './run.ts'
import type { ScenarioReport } from './run.ts'
import { scenarios } from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import { tableOf } from './table.ts'

const KEYS = 6
/** Of five peers. More of them offer no more work in all: it is the same machine that has to carry it. */
const PACE_MS = 200

/** The network of the run under way: an interrupted one leaves no namespaces behind. */
let current: Network | undefined

const progress = (text: string): void => void process.stderr.write(`${text}\n`)

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') {
    console.log(USAGE)
    return 0
  }
  const missing = options.network === 'proxies' ? 'not asked for' : await whyNoNamespaces()
  if (options.network === 'namespaces' && missing !== undefined) throw new OptionError(missing)
  if (options.network === 'auto' && missing !== undefined) {
    progress(`${missing}: the links are proxies on loopback`)
  }
  if (options.names.includes('durability')) return durability(options)
  if (options.names.includes('linearizable')) return linearizable(options)
  return chaos(options, missing)
}

/** Kills and pauses, and looks for one order of what clients of the strong part saw. */
async function linearizable({ peers, minutes = 1, report }: ChaosOptions): Promise<number> {
  const runMs = minutes * 60_000
  const found = await runLinearizable({ network: new ProxyNetwork(), peers, runMs, progress })
  if (report !== undefined) await writeFile(report, `${JSON.stringify(found, undefined, 2)}\n`)
  for (const violation of found.violations.slice(0, 20)) console.log(violation)
  for (const lie of found.missed) console.log(`the search does not find: ${lie}`)
  console.log(
    `${found.kills} kills, ${found.pauses} pauses, ${found.unknown} unknown outcomes, ${found.lies} lies told and found, ${found.seconds} s`
  )
  console.log(`operations: ${found.operations}, ${found.result}`)
  const holds = found.result === 'linearizable' && found.violations.length === 0
  return holds && found.missed.length === 0 ? 0 : 1
}

/** Durability kills and wipes, and cuts no links: it needs no namespaces. */
async function durability(options: ChaosOptions): Promise<number> {
  const network = new ProxyNetwork()
  const { peers, updates, report, minutes } = options
  const folder = minutes === undefined ? undefined : `${report}.run`
  if (minutes !== undefined && report === undefined) {
    throw new OptionError('--minutes needs --report, where the run goes on later')
  }
  const turnMs = minutes === undefined ? undefined : minutes * 60_000
  const found = await runDurability({ network, peers, updates, folder, turnMs, progress })
  if (found.isDone && folder !== undefined) await rm(folder, { recursive: true, force: true })
  if (report !== undefined) await writeFile(report, `${JSON.stringify(found, undefined, 2)}\n`)
  for (const doubled of found.doubled) console.log(`doubled: ${doubled}`)
  for (const lost of found.lost.slice(0, 20)) console.log(`lost: ${lost}`)
  console.log(
    `${found.wiped.length} of ${peers} peers killed and wiped in turn, ${found.seconds} s in ${found.turns} turns`
  )
  if (!found.isDone) console.log(`${updates} were asked for: run the same command again to go on`)
  console.log(`acknowledged: ${found.acknowledged}, lost: ${found.lost.length}`)
  return found.lost.length + found.doubled.length === 0 ? 0 : 1
}

async function chaos(options: ChaosOptions, missing: string | undefined): Promise<number> {
  const { names, report, peers } = options
  const chosen = scenarios.filter(({ name }) => names.length === 0 || names.includes(name))
  const reports = report === undefined ? [] : await known(report, peers)
  for (const scenario of chosen) {
    if (reports.some((done) => done.scenario === scenario.name && done.result === 'held')) continue
    const found = await one(scenario, peers, missing)
    const at = reports.findIndex((done) => done.scenario === scenario.name)
    if (at < 0) reports.push(found)
    else reports[at] = found
    console.log(lineOf(found))
    if (report === undefined) continue
    await writeFile(report, `${JSON.stringify({ reports }, undefined, 2)}\n`)
    await writeFile(`${report}.html`, pageOf(reports))
    await writeFile(`${report}.md`, tableOf(reports))
  }
  const asked = reports.filter((done) => chosen.some(({ name }) => name === done.scenario))
  const count = (result: string): number => asked.filter((each) => each.result === result).length
  console.log(
    `scenarios: ${asked.length}, held: ${count('held')}, violated: ${count('violated')}, broken: ${count('broken')}, skipped: ${count('skipped')}`
  )
  return count('violated') + count('broken') === 0 ? 0 : 1
}

/** A run that was interrupted goes on where it was. */
async function known(report: string, peers: number): Promise<ScenarioReport[]> {
  try {
    // Written by this program.
    const { reports } = JSON.parse(await readFile(report, 'utf8')) as { reports: ScenarioReport[] }
    return reports.filter((each) => each.peers === peers)
  } catch {
    // None yet, or not one of ours: all scenarios run, and it is written anew.
    return []
  }
}

async function one(
  scenario: Scenario,
  peers: number,
  missing: string | undefined
): Promise<ScenarioReport> {
  const { needs } = scenario
  if (missing !== undefined && (needs === 'loss' || needs === 'mounts')) {
    return skipped(scenario, peers, `needs namespaces: ${missing}`)
  }
  current = missing === undefined && needs !== 'delay' ? new NamespaceNetwork() : new ProxyNetwork()
  const paceMs = Math.round(PACE_MS * Math.max(1, peers / 5))
  return runScenario({ scenario, network: current, peers, keys: KEYS, paceMs, progress })
}

function skipped(scenario: Scenario, peers: number, reason: string): ScenarioReport {
  return {
    scenario: scenario.name,
    summary: scenario.summary,
    network: 'none',
    peers,
    result: 'skipped',
    reasons: [reason],
    seconds: [],
    marks: [],
    operations: { ok: 0, failed: 0, unknown: 0 },
    errors: {},
    before: 0,
    heals: 0
  }
}

function lineOf(report: ScenarioReport): string {
  const { scenario, result, operations, before, servedAgainMs, availability, reasons } = report
  const parts = [
    `${operations.ok} ok, ${operations.failed} failed, ${operations.unknown} unknown`,
    `${before.toFixed(0)}/s before`,
    ...(servedAgainMs === undefined ? [] : [`served again ${Math.round(servedAgainMs)} ms`]),
    ...(availability === undefined ? [] : [`available ${(availability * 100).toFixed(2)} %`]),
    ...reasons
  ]
  return `${result.padEnd(8)} ${scenario.padEnd(20)} ${parts.join(' · ')}`
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // The peers end when their launcher is gone.
    void (current?.close() ?? Promise.resolve()).finally(() => process.exit(130))
  })
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    if (error instanceof OptionError) process.exit(2)
    console.error(error)
    process.exit(1)
  }
)
