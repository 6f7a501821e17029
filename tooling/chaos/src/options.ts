import { parseArgs } from 'node:util'
import { scenarios } from './scenarios.ts'

export class OptionError extends Error {
  override readonly name = 'OptionError'
}

export interface ChaosOptions {
  readonly names: readonly string[]
  readonly peers: number
  readonly updates: number
  /** Of one turn of `durability`; of the load of `linearizable`. */
  readonly minutes: number | undefined
  readonly report: string | undefined
  readonly network: 'auto' | 'namespaces' | 'proxies'
}

export const USAGE = `pnpm chaos [SCENARIO...] [--peers 5] [--network auto|namespaces|proxies] [--report FILE]
pnpm chaos durability [--peers 5] [--updates 100000] [--report FILE [--minutes N]]
pnpm chaos linearizable [--peers 5] [--minutes 1] [--report FILE]

Without a scenario all of them run, one after the other. FILE gets the results as JSON, and
FILE.html as a page with plots. Scenarios that the report FILE holds already are not run again.
With --minutes, durability ends after about so long: its disks and its log are kept in FILE.run, and
the same command goes on from there, until all updates are acknowledged and every peer was lost.

  durability            every peer in turn is killed and loses its disk under load
  linearizable          peers are killed and paused under clients of strong parts, whose
                        history is searched for one order
${scenarios.map(({ name, summary }) => `  ${name.padEnd(21)} ${summary}`).join('\n')}`

const APART = ['durability', 'linearizable']

export function parseOptions(args: readonly string[]): ChaosOptions | 'help' {
  const { values, positionals } = read(args)
  if (values.help === true) return 'help'
  const known = new Set([...APART, ...scenarios.map(({ name }) => name)])
  const unknown = positionals.find((name) => !known.has(name))
  if (unknown !== undefined) throw new OptionError(`there is no scenario ${unknown}: see --help`)
  const network = values.network ?? 'auto'
  if (network !== 'auto' && network !== 'namespaces' && network !== 'proxies') {
    throw new OptionError(`--network is auto, namespaces or proxies, not ${network}`)
  }
  return {
    names: positionals,
    peers: integer(values.peers ?? '5', '--peers', 3, 50),
    updates: integer(values.updates ?? '100000', '--updates', 1, 10_000_000),
    minutes:
      values.minutes === undefined ? undefined : integer(values.minutes, '--minutes', 1, 10_000),
    report: values.report,
    network
  }
}

function read(args: readonly string[]): {
  readonly values: {
    readonly [name in 'peers' | 'updates' | 'minutes' | 'report' | 'network']?: string
  } & {
    readonly help?: boolean
  }
  readonly positionals: readonly string[]
} {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      // pnpm passes a `--` through where the user typed one.
      args: args.filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        peers: text,
        updates: text,
        minutes: text,
        report: text,
        network: text,
        help: { type: 'boolean', short: 'h' }
      }
    })
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error))
  }
}

function integer(text: string, what: string, min: number, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new OptionError(`${what} must be a whole number from ${min} to ${max}, not ${text}`)
  }
  return value
}
