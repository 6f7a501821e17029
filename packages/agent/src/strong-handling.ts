import { encode } from '@murmuration/codec'
import { ConsistencyUnavailableError, UnavailableError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import type { State, StrongReading } from '@murmuration/state'
import type { WorkOptions } from './activation-init.ts'
import { defaults } from './defaults.ts'
import { handle } from './handling.ts'
import type { Handled, HandlingParts, Work } from './handling.ts'
import type { Interest } from './interest.ts'
import { StoredResult } from './messages.ts'
import type { Done } from './request.ts'
import { fieldsOf, guarded, valueOf } from './strong-fields.ts'

export interface StrongHandling {
  readonly parts: HandlingParts
  readonly record: AgentRecord
  readonly strong: State['strong']
  readonly interest: Interest
  readonly options: WorkOptions
  /** Encodes an output for repetitions. @throws SchemaError */
  readonly store: (output: unknown) => Uint8Array
}

/** What came of it, and the signals that are due now. */
export interface StrongHandled {
  readonly done: Done
  readonly emitted: Handled['emitted']
}

/**
 * Runs an action on the strong part: on what is agreed now, and what it makes of that is agreed if it
 * still is, output and key with it in one ballot. Else the action runs again. A repetition is answered
 * by what was agreed under its key, and its handler does not run.
 */
export async function handleStrong(handling: StrongHandling, work: Work): Promise<StrongHandled> {
  const { parts, record, strong, interest, options, store } = handling
  const { type, owned } = parts
  const { key, timeoutMs } = options
  if (key === undefined) throw new ConsistencyUnavailableError('a strong action needs a key')
  const limits = { timeoutMs, signal: interest.signal }
  const acknowledged = (copies: number, duplicate: boolean): Done['acknowledgement'] => ({
    version: owned.document.version,
    epoch: owned.epoch,
    copies,
    duplicate
  })
  const reading: StrongReading = await strong.read(record, { ...limits, key })
  if (reading.applied !== undefined) return known(reading.applied.result, acknowledged(0, true))
  let { value, version }: { value: unknown; version: number } = reading
  for (let run = 0; run < defaults.strongRunsMax; run++) {
    const fields = await fieldsOf(type, value)
    const before = encode(fields)
    const handled = await handle(parts, interest, work, guarded(fields, type))
    refuseMerged(parts, handled)
    const { output, emitted } = handled
    if (isSame(before, encode(fields))) return { done: { output }, emitted }
    const next = await valueOf(type, fields)
    const change = { key, expected: version, value: next, result: store(output) }
    const result = await strong.update(record, change, limits)
    if (result.status === 'applied') {
      const acknowledgement = acknowledged(result.copies, result.duplicate)
      return result.duplicate
        ? known(result.result, acknowledgement)
        : { done: { output, ...withOne(acknowledgement) }, emitted }
    }
    ;({ value, version } = result)
  }
  throw new UnavailableError(
    `${record.id} was changed by others ${defaults.strongRunsMax} times in between`
  )
}

function known(result: Uint8Array, acknowledgement: Done['acknowledgement']): StrongHandled {
  const { output } = result.length === 0 ? {} : StoredResult.decode(result)
  return { done: { output, ...withOne(acknowledgement) }, emitted: [] }
}

function withOne(acknowledgement: Done['acknowledgement']): Pick<Done, 'acknowledgement'> {
  return acknowledgement === undefined ? {} : { acknowledgement }
}

/** Two stores cannot be changed in one step: a crash between them would leave half. */
function refuseMerged({ type }: HandlingParts, { operations }: Handled): void {
  if (operations.length === 0) return
  throw new ConsistencyUnavailableError(
    `an action on the strong part of ${type.type} changes nothing else: its CRDTs are for reading`
  )
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
