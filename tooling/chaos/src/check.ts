import { checkClaims } from './checks/fencing.ts'
import { checkLists } from './checks/lists.ts'
import { checkDiaries } from './checks/sessions.ts'
import { checkSets } from './checks/sets.ts'
import type { SetFindings } from './checks/sets.ts'
import { checkSignals } from './checks/signals.ts'
import type { Herd } from './herd.ts'
import { wait } from './herd.ts'
import type { Operation } from './protocol.ts'
import { DEADLINE_MS } from './workloads/workload.ts'

/** What was promised and did not hold. Empty: all held. */
export interface Findings extends SetFindings {
  readonly lists: readonly string[]
  readonly fencing: readonly string[]
  readonly sessions: readonly string[]
  readonly signals: readonly string[]
  readonly late: readonly string[]
}

/** Milliseconds that an operation may take beyond its deadline, to tell of it. */
const LATE_MS = 1_500
/** Milliseconds after the heal within which all copies must be equal. */
const EQUAL_MS = 10_000
/** Milliseconds after the heal within which durable subscriptions have all that was accepted. */
const HANDLED_MS = 30_000

type Looked = Pick<Herd, 'begun' | 'operations' | 'up' | 'read' | 'ears' | 'wiped' | 'world'>

/** Compares what the cluster holds and did with what its clients were told. */
export async function check(
  herd: Looked,
  frozen: ReadonlySet<number>,
  equalMs = EQUAL_MS,
  handledMs = HANDLED_MS
): Promise<Findings> {
  const { begun, operations } = herd
  return {
    ...(await checkSets(herd, equalMs)),
    lists: checkLists(begun, operations),
    fencing: checkClaims(operations, herd.world.taken),
    sessions: checkDiaries(operations),
    signals: await signalsOf(herd, handledMs),
    // The clock of a client that was frozen went on without it.
    late: lateOf(operations.filter(({ client }) => !frozen.has(client)))
  }
}

async function signalsOf(herd: Looked, withinMs: number): Promise<string[]> {
  const late = Date.now() + withinMs
  for (;;) {
    const found = checkSignals(herd)
    if (found.length === 0 || Date.now() > late) return found
    await wait(250)
  }
}

function lateOf(operations: readonly Operation[]): string[] {
  return operations
    .filter(({ ms, stalledMs }) => ms - stalledMs > DEADLINE_MS + LATE_MS)
    .map(
      ({ client, kind, key, action, ms, stalledMs, outcome, error = outcome }) =>
        `${action} of ${kind}/${key} by ${client} took ${Math.round(ms)} ms, ${Math.round(stalledMs)} stalled (${error})`
    )
}
