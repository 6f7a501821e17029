import { randomInt } from 'node:crypto'
import { relative } from 'node:path'
import { root } from './catalogue.ts'
import type { Workload } from '@murmuration/testkit'
import type { Simulated } from './catalogue.ts'
import { keep } from './corpus.ts'
import { fit, measure } from './fitting.ts'
import { UsageError } from './options.ts'
import type { Options } from './options.ts'
import { Pool } from './pool.ts'
import { Progress } from './progress.ts'
import { divide, Schedule, taskOf } from './schedule.ts'
import type { Task } from './schedule.ts'
import type { Failure } from './single-run.ts'
import { fits, readState, removeState, stateFileOf, writeState } from './state-file.ts'
import type { SavedState } from './state-file.ts'

const saveEveryMs = 5000
/** More would say nothing new. */
const violationsMax = 20

/** Runs all workloads. The exit code: 1 after a violation, 130 after an interrupt. */
export async function runWorkloads(
  simulated: readonly Simulated[],
  options: Options
): Promise<number> {
  const workloads = simulated.flatMap((one) => one.workloads)
  if (workloads.length === 0) throw new UsageError(`There is no workload in "${options.only}".`)
  const file = stateFileOf(options)
  const saved = savedState(file, options, workloads)
  const seed = saved?.seed ?? options.seed ?? randomInt(2 ** 32)
  const counts = saved === undefined ? await countsOf(workloads, options, seed) : countsIn(saved)
  const tasks = tasksOf(counts, seed, saved)
  const session = new Session(tasks, { file, options, seed, violations: saved?.violations ?? 0 })
  const before = session.done
  console.log(
    before > 0
      ? `goes on after ${before} of ${options.runs} runs from seed ${seed} (delete ${relative(root, file)} to begin anew)`
      : `${options.runs} runs of ${workloads.length} workloads from seed ${seed}`
  )
  return await session.run()
}

function savedState(
  file: string,
  options: Options,
  workloads: readonly Workload[]
): SavedState | undefined {
  const saved = readState(file)
  if (saved === undefined || fits(saved, options, workloads)) return saved
  if (options.resume !== undefined) {
    throw new UsageError(`${file} is the state of other runs: delete it, or name another file.`)
  }
  return undefined
}

/** How many runs each workload gets. */
async function countsOf(
  workloads: readonly Workload[],
  { runs, workers, withinMinutes }: Options,
  seed: number
): Promise<ReadonlyMap<string, number>> {
  if (withinMinutes === undefined) return divide(runs, workloads)
  const costs = await measure(workloads, { seed, workers })
  const counts = fit(runs, workloads, { costs, workers, withinMs: withinMinutes * 60_000 })
  for (const [name, count] of counts) {
    console.log(`${String(count).padStart(9)} × ${costs.get(name)?.toFixed(1)} ms  ${name}`)
  }
  return counts
}

function countsIn({ workloads }: SavedState): ReadonlyMap<string, number> {
  return new Map(Object.entries(workloads).map(([name, { count }]) => [name, count]))
}

function tasksOf(
  counts: ReadonlyMap<string, number>,
  seed: number,
  saved: SavedState | undefined
): Task[] {
  return [...counts].map(([name, count]) => {
    const done = saved?.workloads[name]?.done ?? 0
    const task = taskOf(name, { first: seed, count })
    return Object.assign(task, { handed: done, done, donePrefix: done })
  })
}

interface SessionInit {
  readonly file: string
  readonly options: Options
  readonly seed: number
  readonly violations: number
}

/** One sitting: it may go on where another one was interrupted. */
class Session {
  readonly #tasks: readonly Task[]
  readonly #init: SessionInit
  readonly #pool: Pool
  readonly #progress: Progress
  #violations: number
  #savedAt = -Infinity
  #isInterrupted = false

  constructor(tasks: readonly Task[], init: SessionInit) {
    this.#tasks = tasks
    this.#init = init
    this.#violations = init.violations
    this.#progress = new Progress(this.done)
    this.#pool = new Pool(new Schedule(tasks), {
      failed: (task, failure) => this.#report(task, failure),
      advanced: () => this.#advance()
    })
  }

  get done(): number {
    return this.#tasks.reduce((sum, task) => sum + task.done, 0)
  }

  async run(): Promise<number> {
    const onInterrupt = (): void => {
      this.#isInterrupted = true
      this.#pool.stop()
    }
    process.once('SIGINT', onInterrupt)
    process.once('SIGTERM', onInterrupt)
    try {
      await this.#pool.run(this.#init.options.workers)
    } finally {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onInterrupt)
      this.#progress.clear()
    }
    const { file, options } = this.#init
    if (this.done < options.runs) {
      this.#save()
      console.log(`stopped: the same command goes on from ${relative(root, file)}`)
    } else removeState(file)
    console.log(`runs: ${this.done}, violations: ${this.#violations}`)
    return this.#violations > 0 ? 1 : this.#isInterrupted ? 130 : 0
  }

  #report({ name }: Task, { seed, reason }: Failure): void {
    this.#violations++
    keep({ workload: name, seed, found: reason.split('\n')[0] ?? '' })
    this.#progress.line(
      `VIOLATION ${name} seed ${seed}: ${reason}\n` +
        `replay: pnpm simulate --only ${name} --seed ${seed} --runs 1 --trace\n`
    )
    if (this.#violations >= violationsMax) this.#pool.stop()
  }

  #advance(): void {
    const note = `${this.#violations} violations`
    this.#progress.show({ done: this.done, total: this.#init.options.runs, note })
    if (performance.now() - this.#savedAt > saveEveryMs) this.#save()
  }

  #save(): void {
    this.#savedAt = performance.now()
    const { file, options, seed } = this.#init
    const { runs, only, withinMinutes } = options
    const head = { runs, seed, only, withinMinutes, violations: this.#violations }
    writeState(file, head, this.#tasks)
  }
}
