import {
  ClockSkewError,
  KeyExpiredError,
  OverloadedError,
  SessionUnknownError,
  StorageError
} from '@murmuration/interface'
import type { AgentRecord, IdempotencyKey } from '@murmuration/interface'
import type { Context } from './context.ts'
import type { Lookup } from './contract.ts'
import type { DocumentCopy } from './core/document-copy.ts'
import { copiesNeeded } from './core/homes.ts'
import { compareSince, isForgettable } from './core/sessions.ts'
import { entriesBytesMax } from './defaults.ts'
import type { Tenure } from './tenure.ts'

/**
 * The owner's wall clock. Its skew against the other members of the view is judged here, once,
 * before anything is executed; merges never look at a clock (rule 14).
 */
export function judgedNow({ clock, mutants, offsets, settings }: Context): number {
  const skewMs = offsets.skewMs({ wall: clock.now(), monotonic: clock.monotonic() })
  if (Math.abs(skewMs) > settings.clockSkewMs && mutants.ignoreSkew !== true) {
    throw new ClockSkewError(
      `the clock of this peer is ${Math.round(skewMs)} ms ahead of most members of the view`
    )
  }
  return clock.now()
}

/** Refuses an update that would have to wait, for a disk, for copies or for memory; folds what it can. */
export function makeRoom(context: Context, tenure: Tenure): void {
  const { disk, settings } = context
  const { copy } = tenure.held
  const { id } = tenure.record
  const { failure } = disk
  if (failure !== undefined) {
    // Nothing was changed, and reads go on: better than an update that waits for a disk in vain.
    throw new StorageError(`the disk of the owner of ${id} takes no writes`, { cause: failure })
  }
  if (tenure.replication.unacknowledged >= settings.unacknowledgedMax) {
    throw new OverloadedError(`${settings.unacknowledgedMax} updates of ${id} wait for copies`)
  }
  if (context.crowded()) {
    throw new OverloadedError('the updates that wait for replicas fill the memory for them')
  }
  const isFull = (): boolean =>
    copy.entryCount >= settings.entriesMax || copy.entryBytes >= entriesBytesMax
  if (!isFull()) return
  tenure.fold(true)
  if (isFull()) {
    throw new OverloadedError(`${copy.entryCount} updates of ${id} wait for a replica to return`)
  }
}

/** W of the agreed view, in a branch: a side that goes on by itself promises no less. */
export function neededInBranch(
  { membership }: Context,
  { replicas }: AgentRecord
): number | undefined {
  const branch = membership.view?.branch
  if (branch === undefined) return undefined
  return Math.min(copiesNeeded(branch.agreed.members.length), replicas)
}

/**
 * Whether a key that is not there may have been, and was forgotten. It was not if the client knew of
 * all that was forgotten before its session was opened when it sent the key for the first time.
 */
export function isUnknown(
  { mutants }: Context,
  copy: DocumentCopy,
  { session, since = [] }: IdempotencyKey
): boolean {
  if (mutants.executeUnknown === true || !isForgettable(session)) return false
  return compareSince(since, copy.sinceOf(session)) < 0
}

/** Throws `KeyExpiredError`, `SessionUnknownError`. */
export function refuseForgotten(found: Lookup, { session, sequence }: IdempotencyKey): void {
  const name = `${session}/${sequence}`
  if (found.status === 'expired') {
    throw new KeyExpiredError(`${name} was confirmed before, and forgotten`)
  }
  if (found.status === 'unknown') {
    throw new SessionUnknownError(`the session of ${name} is not known`, found.since)
  }
}
