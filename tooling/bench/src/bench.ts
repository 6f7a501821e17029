/** One measured number. `ratio` is against the first row of its table, where that makes sense. */
export type Cell = number | string

/** Rows of equal columns; the first column names the row. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

/** What a bench found: tables for people, figures for machines, and what was promised. */
export interface BenchResult {
  readonly tables: readonly Table[]
  readonly figures: Readonly<Record<string, unknown>>
  readonly promises: readonly Promised[]
}

/** A promise and whether this run kept it. */
export interface Promised {
  readonly what: string
  readonly kept: boolean
}

/** What a bench is given. */
export interface BenchContext {
  /** Starts a module as a child process and waits for its first message; ended with the bench. */
  start(module: URL, args?: readonly string[]): Promise<unknown>
  /** Ends all children, so that a part of the bench that is over does not slow down the next one. */
  endChildren(): Promise<void>
  /** Says what is going on. */
  progress(text: string): void
  /** Whether a row is to be measured: all are, or those whose name holds what was asked for. */
  wants(row: string): boolean
  /** Less warm and not for long: numbers that are too high at most. Benches may not know it. @default false */
  readonly brief?: boolean
}

/** One bench: a file under `benches/` that is listed in `registry.ts`. */
export interface Bench {
  readonly name: string
  /** One line for the list of benches. */
  readonly summary: string
  /** Milliseconds after which the run is given up. */
  readonly timeLimitMs: number
  run(context: BenchContext): Promise<BenchResult>
}
