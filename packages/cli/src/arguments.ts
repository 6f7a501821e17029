import { parseArgs } from 'node:util'

/** The command line is wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const options = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  name: { type: 'string' },
  data: { type: 'string' },
  root: { type: 'string' },
  'secret-file': { type: 'string' },
  invite: { type: 'string' },
  listen: { type: 'string', multiple: true },
  join: { type: 'string', multiple: true },
  role: { type: 'string' },
  label: { type: 'string', multiple: true },
  agents: { type: 'string' },
  mdns: { type: 'boolean' },
  kademlia: { type: 'boolean' },
  out: { type: 'string' },
  at: { type: 'string', multiple: true },
  hours: { type: 'string' },
  count: { type: 'string' },
  reason: { type: 'string' },
  confirm: { type: 'string' },
  timeout: { type: 'string' }
} as const

/** The name of an option. */
export type Option = keyof typeof options

/** A parsed command line. */
export interface Arguments {
  readonly command: string | undefined
  readonly operands: readonly string[]
  readonly values: ReturnType<typeof parse>['values']
}

// The type is what `parseArgs` makes of the options above.
function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
}

/** @throws UsageError for an unknown option or a missing value */
export function parseArguments(args: readonly string[]): Arguments {
  try {
    const { positionals, values } = parse(args)
    const [command, ...operands] = positionals
    return { command, operands, values }
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause))
  }
}

/** What a command takes beside `--help` and `--json`. */
export interface Accepted {
  readonly options: readonly Option[]
  readonly operandsMax: number
}

/** @throws UsageError for what a command would ignore */
export function checkAccepted({ command, operands, values }: Arguments, accepted: Accepted): void {
  const known = new Set<string>(['help', 'json', ...accepted.options])
  const unknown = Object.keys(values).find((option) => !known.has(option))
  if (unknown !== undefined) throw new UsageError(`${command} has no option --${unknown}`)
  const { operandsMax } = accepted
  if (operands.length > operandsMax) {
    throw new UsageError(`${command} does not take ${operands[operandsMax]}`)
  }
}

/** The value of an option that has to be there. */
export function required(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new UsageError(`--${option} is missing`)
  return value
}

/** An operand that has to be there. */
export function operand({ operands }: Arguments, at: number, name: string): string {
  const value = operands[at]
  if (value === undefined || value === '') throw new UsageError(`${name} is missing`)
  return value
}

/** A number above zero. */
export function positive(
  text: string | undefined,
  option: string,
  { otherwise, max }: { readonly otherwise: number; readonly max: number }
): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0 && value <= max)) {
    throw new UsageError(`--${option} must be a number above 0, at most ${max}, not ${text}`)
  }
  return value
}
