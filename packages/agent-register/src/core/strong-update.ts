import type { Epoch, IdempotencyKey } from '@murmuration/interface'
import { openUpdatesMax, resultsBytesMax, sessionsMax, strongBytesMax } from '../defaults.ts'
import type { Mutants } from './mutants.ts'
import { claimed, isHeld } from './ownership.ts'
import type { Claimant } from './ownership.ts'
import { appliedUpdate } from './record.ts'
import type { AgentRegister } from './record.ts'

/** An update of strong state that was computed from version `expected`. */
export interface StrongUpdate {
  readonly key: IdempotencyKey
  readonly expected: number
  readonly value: Uint8Array
  /** Kept under the key, for repetitions. */
  readonly result?: Uint8Array
}

/** What an update comes to where this transition is the one that is agreed. */
export type StrongOutcome =
  | {
      readonly status: 'applied' | 'known'
      readonly version: number
      /** That of the first execution. */
      readonly result?: Uint8Array
    }
  /** The state is another one than was read: compute it anew from this one. */
  | { readonly status: 'changed'; readonly version: number; readonly value: Uint8Array | undefined }
  /** A later owner was there: this one must not acknowledge anything any more. */
  | { readonly status: 'fenced'; readonly owner: string; readonly epoch: Epoch }
  /** It was confirmed to the client before, or nobody knows any more whether it was applied. */
  | { readonly status: 'expired' }
  | { readonly status: 'overloaded' | 'too-large' }

export interface Transition {
  /** The value that was given, where nothing changes. */
  readonly next: AgentRegister | undefined
  readonly outcome: StrongOutcome
}

type Sessions = NonNullable<AgentRegister['sessions']>

/**
 * One strong update, a compare-and-set by the owner under its epoch: it claims what it may claim, so
 * that ownership and state change in one ballot (rule 1), is refused where a later owner was, and
 * counts once for its key.
 *
 * Keys are remembered until their client has passed them, in at most `sessionsMax` sessions. When
 * another one has to make room, `forgotten` is raised to the present version. Who read an older
 * version than was forgotten before its session was remembered (again), may repeat what was
 * forgotten, and is refused; who read since cannot, for an update raises the version above the one
 * that it read.
 */
export function updateStrong(
  current: AgentRegister | undefined,
  claimant: Claimant,
  update: StrongUpdate,
  mutants: Mutants = {}
): Transition {
  const held = isHeld(current, claimant)
  if (held && current !== undefined && mutants.noFence !== true) {
    const { owner, epoch } = current
    return { next: current, outcome: { status: 'fenced', owner, epoch } }
  }
  const { key, expected, value, result } = update
  const { data } = current ?? {}
  const version = data?.version ?? 0
  const sessions = current?.sessions ?? []
  const refused = (outcome: StrongOutcome): Transition => ({ next: current, outcome })
  const session = sessions.find((one) => one.session === key.session)
  if (mutants.ignoreKeys !== true) {
    const known = appliedUpdate(current, key)
    if (known !== undefined) {
      return refused({ status: 'known', version: known.version, ...resultOf(known.result) })
    }
    if (session !== undefined && key.sequence < session.floor) return refused({ status: 'expired' })
  }
  if (expected !== version && mutants.noPrecondition !== true) {
    const isForgotten = expected < (session?.since ?? data?.forgotten ?? 0)
    return isForgotten && mutants.forgetSilently !== true
      ? refused({ status: 'expired' })
      : refused({ status: 'changed', version, value: data?.value })
  }
  if (value.length > strongBytesMax) return refused({ status: 'too-large' })
  const kept = session?.applied.filter(({ sequence }) => sequence >= key.lowest) ?? []
  if (kept.length >= openUpdatesMax) return refused({ status: 'overloaded' })
  const own = claimed(current, claimant) ?? current
  if (own === undefined) return refused({ status: 'expired' })
  const applied = [...kept, { sequence: key.sequence, version: version + 1, ...resultOf(result) }]
  if (resultBytes(applied) > resultsBytesMax) return refused({ status: 'overloaded' })
  const { sessions: remembered, forgot } = remember(sessions, {
    session: key.session,
    since: session?.since ?? data?.forgotten ?? 0,
    floor: Math.max(session?.floor ?? 0, key.lowest),
    applied
  })
  const forgotten = forgot ? version + 1 : (data?.forgotten ?? 0)
  return {
    next: { ...own, sessions: remembered, data: { version: version + 1, forgotten, value } },
    outcome: { status: 'applied', version: version + 1, ...resultOf(result) }
  }
}

function resultOf(result: Uint8Array | undefined): { readonly result?: Uint8Array } {
  return result === undefined ? {} : { result }
}

function resultBytes(applied: Sessions[number]['applied']): number {
  return applied.reduce((sum, { result }) => sum + (result?.length ?? 0), 0)
}

/** Puts the session last, and lets go of those that were not used for longest. */
function remember(
  sessions: Sessions,
  session: Sessions[number]
): { readonly sessions: Sessions; readonly forgot: boolean } {
  const others = sessions.filter((one) => one.session !== session.session)
  let first = Math.max(0, others.length - (sessionsMax - 1))
  let bytes = [...others.slice(first), session].reduce(
    (sum, { applied }) => sum + resultBytes(applied),
    0
  )
  for (; bytes > resultsBytesMax && first < others.length; first++) {
    bytes -= resultBytes(others[first]?.applied ?? [])
  }
  return { sessions: [...others.slice(first), session], forgot: first > 0 }
}
