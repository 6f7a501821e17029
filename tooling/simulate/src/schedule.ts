import type { Chunk } from './messages.ts'

/** One workload or mutant, and how far its seeds are. */
export interface Task {
  readonly name: string
  readonly isMutant: boolean
  readonly firstSeed: number
  /** Seeds to run. */
  readonly count: number
  /** Seeds from the first one on that are handed out. */
  handed: number
  /** Seeds that were run. */
  done: number
  /** Seeds from the first one on that were all run: where an interrupted command goes on. */
  donePrefix: number
  /** Needs no more seeds, such as a mutant that was found. */
  isOver: boolean
  /** Milliseconds of processor time of a run, of the last chunk. */
  runMs: number | undefined
}

/** A worker is asked for about so much at a time: short against a minute, long against a message. */
const chunkMs = 500
const chunkRunsFirst = 2
const chunkRunsMax = 500

export function taskOf(
  name: string,
  range: { readonly first: number; readonly count: number },
  isMutant = false
): Task {
  return {
    name,
    isMutant,
    firstSeed: range.first,
    count: range.count,
    handed: 0,
    done: 0,
    donePrefix: 0,
    isOver: false,
    runMs: undefined
  }
}

/** Hands the seeds of all tasks out evenly, so that a bar over all of them tells the time. */
export class Schedule {
  readonly tasks: readonly Task[]
  readonly #finished = new Map<Task, { readonly from: number; readonly to: number }[]>()

  constructor(tasks: readonly Task[]) {
    this.tasks = tasks
  }

  next(): { readonly task: Task; readonly chunk: Chunk } | undefined {
    let task: Task | undefined
    for (const one of this.tasks) {
      const isOpen = !one.isOver && one.handed < one.count
      if (isOpen && (task === undefined || partOf(one) < partOf(task))) task = one
    }
    if (task === undefined) return undefined
    const fitting = task.runMs === undefined ? chunkRunsFirst : Math.ceil(chunkMs / task.runMs)
    const count = Math.min(task.count - task.handed, chunkRunsMax, Math.max(1, fitting))
    const first = task.firstSeed + task.handed
    task.handed += count
    return { task, chunk: { name: task.name, isMutant: task.isMutant, first, count } }
  }

  finished(task: Task, chunk: Chunk, completed: number, cpuMs: number): void {
    if (completed > 0) task.runMs = cpuMs / completed
    task.done += completed
    const from = chunk.first - task.firstSeed
    const spans = [...(this.#finished.get(task) ?? []), { from, to: from + completed }]
    spans.sort((a, b) => a.from - b.from)
    while (spans[0] !== undefined && spans[0].from <= task.donePrefix) {
      task.donePrefix = Math.max(task.donePrefix, spans.shift()?.to ?? 0)
    }
    this.#finished.set(task, spans)
  }
}

function partOf(task: Task): number {
  return task.handed / task.count
}

/** Divides runs by shares, so that the sum is exact: the largest remainders get one more. */
export function divide(
  runs: number,
  shares: readonly { readonly name: string; readonly share: number }[]
): Map<string, number> {
  const sum = shares.reduce((total, { share }) => total + share, 0)
  const parts = shares.map(({ name, share }) => {
    const exact = (runs * share) / sum
    return { name, whole: Math.floor(exact), rest: exact - Math.floor(exact) }
  })
  let missing = runs - parts.reduce((total, { whole }) => total + whole, 0)
  const counts = new Map(parts.map(({ name, whole }) => [name, whole]))
  for (const { name, whole } of parts.toSorted((a, b) => b.rest - a.rest)) {
    if (missing-- <= 0) break
    counts.set(name, whole + 1)
  }
  return counts
}
