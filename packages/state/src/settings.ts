import { InvalidParametersError } from '@murmuration/interface'
import type { AgentRecord, IdempotencyKey } from '@murmuration/interface'
import type { StateInit } from './contract.ts'
import { ownSessionPrefix } from './core/copy-state.ts'
import * as defaults from './defaults.ts'

/** What may be set; see `defaults.ts` for each. */
export type Settings = Required<StateInit>

/** Throws `InvalidParametersError`. */
export function settingsOf(init: StateInit): Settings {
  const settings: Settings = {
    ownTimeoutMs: init.ownTimeoutMs ?? defaults.ownTimeoutMs,
    commitTimeoutMs: init.commitTimeoutMs ?? defaults.commitTimeoutMs,
    requestTimeoutMs: init.requestTimeoutMs ?? defaults.requestTimeoutMs,
    sessionWaitMs: init.sessionWaitMs ?? defaults.sessionWaitMs,
    clockSkewMs: init.clockSkewMs ?? defaults.clockSkewMs,
    compareMs: init.compareMs ?? defaults.compareMs,
    foldEntries: init.foldEntries ?? defaults.foldEntries,
    foldIdleMs: init.foldIdleMs ?? defaults.foldIdleMs,
    collectNames: init.collectNames ?? defaults.collectNames,
    sessionsMax: init.sessionsMax ?? defaults.sessionsMax,
    unacknowledgedMax: init.unacknowledgedMax ?? defaults.unacknowledgedMax,
    entriesMax: init.entriesMax ?? defaults.entriesMax,
    documentsMax: init.documentsMax ?? defaults.documentsMax
  }
  for (const [name, value] of Object.entries(settings)) {
    if (!(value > 0) || !Number.isFinite(value)) {
      throw new InvalidParametersError(`${name} must be a positive number`)
    }
  }
  return settings
}

/** Throws `InvalidParametersError` where a record cannot be placed. */
export function checkRecord({ id, placement, replicas, shardKey }: AgentRecord): void {
  if (id === '' || id.length > defaults.idLengthMax) {
    throw new InvalidParametersError(`an agent id has 1 to ${defaults.idLengthMax} characters`)
  }
  if (shardKey !== undefined && (shardKey === '' || shardKey.length > defaults.idLengthMax)) {
    throw new InvalidParametersError(
      `${id}: a shard key has 1 to ${defaults.idLengthMax} characters`
    )
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 7) {
    throw new InvalidParametersError(`${id}: replicas must be 1 to 7`)
  }
  if (placement !== 'hash' && placement !== 'pinned' && placement !== 'load') {
    throw new InvalidParametersError(`${id}: unknown placement`)
  }
  if (placement === 'pinned' && !/^[^/]+\/[^/]+\/./.test(id)) {
    throw new InvalidParametersError(`${id}: a pinned agent needs an id of namespace/type/peer`)
  }
}

/** Throws `InvalidParametersError` where a key is none. */
export function checkKey({ session, sequence, lowest }: IdempotencyKey): void {
  if (session === '' || session.length > 200 || session.startsWith(ownSessionPrefix)) {
    throw new InvalidParametersError('a session is a text of 1 to 200 characters, not with ~')
  }
  if (!Number.isSafeInteger(sequence) || sequence < 0 || !(lowest <= sequence)) {
    throw new InvalidParametersError('a key needs 0 <= lowest <= sequence, both integers')
  }
}

export function sameRecord(a: AgentRecord, b: AgentRecord): boolean {
  return a.shardKey === b.shardKey && a.placement === b.placement && a.replicas === b.replicas
}
