import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Workload } from '@murmuration/testkit'
import { root } from './catalogue.ts'
import { UsageError } from './options.ts'
import type { Options } from './options.ts'
import { divide } from './schedule.ts'
import type { Task } from './schedule.ts'

/** What is remembered of a command that was interrupted. */
export interface SavedState {
  readonly runs: number
  readonly seed: number
  readonly only: string | undefined
  readonly withinMinutes: number | undefined
  /** Seeds of each workload: how many there are to run, and how many of them were run. */
  readonly workloads: Readonly<Record<string, { readonly count: number; readonly done: number }>>
  readonly violations: number
}

export function stateFileOf({ resume, runs, seed, only }: Options): string {
  if (resume !== undefined) return resume
  const name = [runs, seed, only?.replaceAll('/', '-')].filter((part) => part !== undefined)
  return join(root, '.simulate', `${name.join('-')}.json`)
}

export function readState(file: string): SavedState | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // No such file: nothing was interrupted.
    return undefined
  }
  try {
    return JSON.parse(text) as SavedState // written by `writeState`
  } catch {
    throw new UsageError(`${file} is no state of an interrupted command.`)
  }
}

/** The state fits if it is of the same runs of the same workloads, divided in the same way. */
export function fits(
  saved: SavedState,
  options: Options,
  workloads: readonly Pick<Workload, 'name' | 'share'>[]
): boolean {
  const { runs, seed, only, withinMinutes } = options
  const names = Object.keys(saved.workloads)
  const expected = withinMinutes === undefined ? divide(runs, workloads) : undefined
  return (
    saved.runs === runs &&
    saved.only === only &&
    saved.withinMinutes === withinMinutes &&
    (seed === undefined || saved.seed === seed) &&
    names.length === workloads.length &&
    workloads.every(({ name }) => {
      const count = saved.workloads[name]?.count
      return count !== undefined && (expected === undefined || count === expected.get(name))
    })
  )
}

export function writeState(
  file: string,
  head: Omit<SavedState, 'workloads'>,
  tasks: readonly Task[]
): void {
  const workloads = Object.fromEntries(
    tasks.map(({ name, count, donePrefix }) => [name, { count, done: donePrefix }])
  )
  mkdirSync(dirname(file), { recursive: true })
  // Renamed over the old one: an interruption here leaves one of the two whole.
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...head, workloads }, undefined, 2)}\n`)
  renameSync(`${file}.new`, file)
}

export function removeState(file: string): void {
  rmSync(file, { force: true })
}
