import type { Failure } from './single-run.ts'

/** Seeds of one workload or mutant, for one worker. */
export interface Chunk {
  readonly name: string
  readonly isMutant: boolean
  readonly first: number
  readonly count: number
}

export type ToWorker =
  | { readonly kind: 'chunk'; readonly chunk: Chunk }
  /** End after the present run. */
  | { readonly kind: 'stop' }

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** Sent about twice a second, so that a hanging run shows. */
  | { readonly kind: 'alive'; readonly seed: number }
  | { readonly kind: 'done'; readonly completed: number; readonly cpuMs: number }
