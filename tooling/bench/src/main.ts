/**
 * `pnpm bench [NAME] [--only ROW] [--json FILE]`: runs one bench, or all, prints what it found and,
 * if asked, writes the figures to a file. `--only` takes part of the name of a row; benches whose rows
 * can be measured alone measure that only. Exit code 1 if a promise was missed or a bench failed, 2 if there is
 * no such bench.
 */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import type { Bench, BenchResult } from './bench.ts'
import { Children } from './children.ts'
import { benches } from './registry.ts'
import { formatTable } from './table.ts'

async function runBench(bench: Bench, only: string): Promise<BenchResult> {
  const children = new Children()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(new Error(`${bench.name} took longer than ${bench.timeLimitMs / 1_000} s`))
  }, bench.timeLimitMs)
  try {
    const running = bench.run({
      start: (module, args) => children.start(module, args),
      endChildren: () => children.end(),
      progress: (text) => process.stderr.write(`${bench.name}: ${text}\n`),
      wants: (row) => row.includes(only)
    })
    return await Promise.race([running, late.promise])
  } finally {
    clearTimeout(timer)
    await children.end()
  }
}

function print(result: BenchResult): void {
  for (const table of result.tables) console.log(`\n${formatTable(table)}`)
  if (result.promises.length > 0) console.log('')
  for (const { what, kept } of result.promises)
    console.log(`${kept ? 'kept  ' : 'MISSED'}  ${what}`)
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      only: { type: 'string' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  const chosen = benches.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name)
  )
  const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name))
  if (values.help === true || unknown.length > 0) {
    if (unknown.length > 0) console.error(`There is no bench ${unknown.join(', ')}.`)
    console.log('pnpm bench [NAME...] [--only ROW] [--json FILE]\n')
    for (const { name, summary } of benches) console.log(`  ${name.padEnd(10)} ${summary}`)
    process.exitCode = unknown.length > 0 ? 2 : 0
    return
  }
  const found: Record<string, unknown> = {}
  for (const bench of chosen) {
    const result = await runBench(bench, values.only ?? '')
    print(result)
    if (result.promises.some(({ kept }) => !kept)) process.exitCode = 1
    found[bench.name] = { ...result.figures, promises: result.promises }
  }
  if (values.json === undefined) return
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism()
  }
  await writeFile(values.json, `${JSON.stringify({ machine, benches: found }, undefined, 2)}\n`)
}

try {
  await main()
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  // Sockets of what was measured must not keep a finished run alive.
  process.exit()
}
