import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

/** What the command was asked for. */
export interface Options {
  /** Runs of all workloads together. */
  readonly runs: number
  /** The first seed; undefined: another one each time. */
  readonly seed: number | undefined
  /** A package, or one workload or mutant as `package/name`. */
  readonly only: string | undefined
  /** Runs mutants instead of workloads. */
  readonly mutants: boolean
  /** Replays the kept seeds and the killing seed of each mutant. */
  readonly corpus: boolean
  /** Runs one seed in this process and prints what happened in it. */
  readonly trace: boolean
  /** Where the state of an unfinished command is kept. */
  readonly resume: string | undefined
  readonly workers: number
  /**
   * All runs should fit into so much time, with a processor for each worker: dear workloads get fewer
   * of them.
   */
  readonly withinMinutes: number | undefined
  readonly help: boolean
}

/** A command that asks for what there is not. Its message is one sentence. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

export const usage = `pnpm simulate [--runs N] [--seed S] [--only PACKAGE|PACKAGE/NAME] [--workers N] [--within MINUTES] [--resume FILE]
  --within MINUTES: dear workloads get fewer runs and cheap ones more, so that all fit where each worker has
  a processor to itself (on a busy machine it takes longer); how many each gets is printed first
pnpm simulate --only PACKAGE/NAME --seed S --runs 1 --trace   what happened in one run
pnpm simulate --mutants [--seed S] [--only …]                 each deliberate mistake must be found
pnpm simulate --corpus [--only …]                             kept seeds, and the killing seed of each mutant`

const runsDefault = 10_000
const runsMax = 1_000_000_000

export function readOptions(args: readonly string[]): Options {
  const values = parse(args)
  const options: Options = {
    runs: integer('--runs', values.runs, 1, runsMax) ?? runsDefault,
    seed: integer('--seed', values.seed, 0, 2 ** 48),
    only: values.only,
    mutants: values.mutants === true,
    corpus: values.corpus === true,
    trace: values.trace === true,
    resume: values.resume,
    workers: integer('--workers', values.workers, 1, 256) ?? availableParallelism(),
    withinMinutes: integer('--within', values.within, 1, 100_000),
    help: values.help === true
  }
  if (options.trace && (options.runs !== 1 || options.seed === undefined)) {
    throw new UsageError('--trace shows one run: it needs --seed S and --runs 1.')
  }
  if ([options.mutants, options.corpus, options.trace].filter(Boolean).length > 1) {
    throw new UsageError('Only one of --mutants, --corpus and --trace can be done at a time.')
  }
  if (options.resume !== undefined && (options.mutants || options.corpus || options.trace)) {
    throw new UsageError('--resume goes on with runs of workloads only.')
  }
  return options
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        runs: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string' },
        mutants: { type: 'boolean' },
        corpus: { type: 'boolean' },
        trace: { type: 'boolean' },
        resume: { type: 'string' },
        workers: { type: 'string' },
        within: { type: 'string' },
        help: { type: 'boolean', short: 'h' }
      }
    }).values
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('. ')
    throw new UsageError(`${first.replace(/\.$/, '')}.`)
  }
}

function integer(
  name: string,
  text: string | undefined,
  low: number,
  high: number
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text.replaceAll('_', ''))
  if (text === '' || !Number.isInteger(value) || value < low || value > high) {
    throw new UsageError(`${name} takes a whole number from ${low} to ${high}, not "${text}".`)
  }
  return value
}
