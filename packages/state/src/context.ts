import type { Logger } from '@libp2p/interface'
import type {
  AgentRecord,
  Clock,
  Membership,
  Random,
  Rpc,
  SelfIdentity,
  View
} from '@murmuration/interface'
import { NotStartedError } from '@murmuration/interface'
import type { CopyProgress, EdgeSeat, OwnerLeases } from './contract.ts'
import type { ClockOffsets } from './core/clock-offsets.ts'
import type { Coverage } from './core/coverage.ts'
import type { Mutants } from './core/mutants.ts'
import type { Homes } from './core/homes.ts'
import type { Sender } from './core/messages.ts'
import type { Predecessors } from './core/predecessors.ts'
import type { Disk } from './disk.ts'
import type { Held } from './held.ts'
import type { Counters } from './metrics.ts'
import type { Settings } from './settings.ts'
import type { StreamLimits } from './streams.ts'
import type { Table } from './table.ts'
import type { Tenure } from './tenure.ts'
import type { Transfer } from './transfer.ts'

/** What the parts of this package share. */
export interface Context {
  readonly rpc: Rpc
  readonly membership: Membership
  /** As which this peer owns documents; looked at anew each time. */
  readonly self: SelfIdentity
  /** Undefined on members. */
  readonly edge: EdgeSeat | undefined
  /** Who keeps documents, as this peer sees it. */
  readonly homes: (view: View) => Homes
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger | undefined
  readonly counters: Counters
  readonly settings: Settings
  readonly mutants: Mutants
  readonly streams: StreamLimits
  readonly table: Table
  readonly disk: Disk
  readonly coverage: Coverage
  readonly leases: OwnerLeases | undefined
  readonly predecessors: Predecessors
  readonly offsets: ClockOffsets
  readonly transfer: Transfer
  /** Whether a document goes on with the replicas that are there, and not only with enough of them. */
  readonly goesOn: (record: AgentRecord) => boolean
  /** Whether agents like this one may be pinned, as far as this peer knows. */
  readonly mayPin: (record: AgentRecord) => boolean
  /** Fires when the service stops. */
  readonly signal: AbortSignal
  /** A writer name that this process never used before. */
  readonly nextWriter: () => string
  /** Whether updates that wait for replicas take more memory than they may; looked at now and then. */
  crowded(): boolean
  /** A document changed here. */
  changed(held: HeldDocument): void
  /** What others had was joined with a document that this peer serves. */
  merged(held: HeldDocument): void
  /** A stream of copies to this peer went on. */
  copying(progress: CopyProgress): void
  /** The tenure has something to send to a peer. */
  send(tenure: Tenure): void
  /** A replica, or the own disk, holds the full state. */
  tenureSynced(tenure: Tenure, self: boolean): void
  /** Begins a tenure of the document if this peer owns it and has merged enough copies. */
  consider(held: HeldDocument): void
  /** A tenure began or ended. */
  tenureChanged(tenure: Tenure, status: 'begun' | 'ended'): void
}

export type HeldDocument = Held<Tenure>

export function currentView(context: Context): View {
  const { view } = context.membership
  if (context.signal.aborted || view === undefined) {
    throw new NotStartedError('the state service is not started, or no view was adopted yet')
  }
  return view
}

/** The view that was agreed last: what is agreed has no branches. */
export function agreedOf(view: View): View {
  return view.branch?.agreed ?? view
}

/** What this peer says of itself to others: the view or branch in which it acts. */
export function placeOf(context: Context): Sender {
  const { incarnation, boot } = context.self
  return { ...placeIn(context.membership.view), incarnation, boot }
}

/** How a view is named in messages. */
export function placeIn(view: View | undefined): Pick<Sender, 'view' | 'branch'> {
  const branch = view?.branch?.id
  return { view: view?.number ?? 0, ...(branch === undefined ? {} : { branch }) }
}

/** Whether a request is about the very view, or branch, of this peer. */
export function isSamePlace(context: Context, asked: Pick<Sender, 'view' | 'branch'>): boolean {
  const { view } = context.membership
  return asked.view === view?.number && asked.branch === view.branch?.id
}

/** Half fixed, half random, so that peers do not stay in step. */
export function jittered(context: Context, delayMs: number): number {
  return delayMs / 2 + (context.random.next() * delayMs) / 2
}

/** Waits, but no longer than until the service stops. */
export function pause(context: Context, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      context.signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = context.clock.schedule(delayMs, done)
    context.signal.addEventListener('abort', done)
    if (context.signal.aborted) {
      done()
    }
  })
}

/** Runs a task whose signal fires at the deadline, and when the service or the caller stops. */
export async function withDeadline<T>(
  context: Context,
  timeoutMs: number,
  task: (signal: AbortSignal) => Promise<T>,
  caller?: AbortSignal
): Promise<T> {
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  const cancel = context.clock.schedule(timeoutMs, stop)
  const signals = caller === undefined ? [context.signal] : [context.signal, caller]
  for (const signal of signals) {
    signal.addEventListener('abort', stop)
    if (signal.aborted) {
      stop()
    }
  }
  try {
    return await task(controller.signal)
  } finally {
    cancel()
    for (const signal of signals) {
      signal.removeEventListener('abort', stop)
    }
  }
}
