import { byKey } from './history.ts'
import type { Operation } from './history.ts'
import type { Model } from './models.ts'
import { Search } from './search.ts'
import { ViolationError } from './violation.ts'

/** Enough for about a thousand operations of eight clients; a second or two of work. */
const stepsMaxDefault = 5_000_000

export interface LinearizabilityOptions {
  /**
   * Attempts to place an operation, for each key. More decides more histories, in more time.
   * @default 5,000,000
   */
  readonly stepsMax?: number
}

/** `undecided`: the steps did not suffice. It says nothing, so it never counts as a pass. */
export interface LinearizabilityResult {
  readonly result: 'linearizable' | 'violation' | 'undecided'
  /** The first key that is not linearizable, or that was not decided. */
  readonly key?: string
  readonly steps: number
}

/**
 * Whether the operations under each key can be put in one order that the model allows and that keeps
 * real time: an operation that ended before another one began comes first. After Wing and Gong,
 * "Testing and verifying concurrent objects" (1993), with the cache of Lowe, "Testing for
 * linearizability" (2017). Operations of unknown outcome may take effect at any time after their
 * beginning, or never; failed ones never do.
 */
export function checkLinearizable<S, I, O>(
  operations: readonly Operation<I, O>[],
  model: Model<S, I, O>,
  { stepsMax = stepsMaxDefault }: LinearizabilityOptions = {}
): LinearizabilityResult {
  let steps = 0
  let undecided: string | undefined
  for (const [key, all] of byKey(operations)) {
    const search = new Search(
      all.filter(({ outcome }) => outcome.status !== 'failed'),
      model
    )
    const found = search.run(stepsMax)
    steps += search.steps
    if (found === 'violation') {
      return { result: 'violation', key, steps }
    }
    if (found === 'undecided') {
      undecided ??= key
    }
  }
  return undecided === undefined
    ? { result: 'linearizable', steps }
    : { result: 'undecided', key: undecided, steps }
}

/** Throws `ViolationError` unless the history is linearizable, also where it was not decided. */
export function assertLinearizable<S, I, O>(
  operations: readonly Operation<I, O>[],
  model: Model<S, I, O>,
  options: LinearizabilityOptions = {}
): void {
  const { result, key = '', steps } = checkLinearizable(operations, model, options)
  if (result === 'linearizable') {
    return
  }
  const shown = operations.filter((one) => one.key === key).map(lineOf)
  const detail =
    result === 'violation'
      ? `no order of the operations under ${key} explains their outcomes\n${shown.join('\n')}`
      : `not decided for ${key} in ${steps} steps: use fewer operations per key`
  throw new ViolationError([{ rule: 'linearizable', detail }])
}

function lineOf<I, O>({ client, input, outcome, invokedAt, returnedAt }: Operation<I, O>): string {
  const answer = outcome.status === 'ok' ? JSON.stringify(outcome.output) : outcome.status
  return `  ${invokedAt}-${returnedAt} ${client}: ${JSON.stringify(input)} → ${answer}`
}
