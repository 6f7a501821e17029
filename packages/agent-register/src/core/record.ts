import {
  anything,
  bytes,
  decode,
  encode,
  integer,
  list,
  message,
  object,
  oneOf,
  optional,
  text
} from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import type { AgentRecord, Epoch, IdempotencyKey, RegisterKey } from '@murmuration/interface'
import { openUpdatesMax, resultsBytesMax, sessionsMax, strongBytesMax } from '../defaults.ts'

const version = integer({ min: 0 })

/**
 * What is agreed of one agent, in its one register (rule 1): who owns it, under which epoch, and its
 * strong state with the updates that made it. No clock value is in it.
 */
export const AgentRegister = message({
  owner: text({ max: 256 }),
  incarnation: text({ max: 256 }),
  epoch: object({ view: integer({ min: 0 }), boot: integer({ min: 0 }) }),
  /**
   * `claiming`: a view that brings the agent to the claimant is on its way. `released`: its owner gave
   * it up; the epoch stays, so that later ones are greater.
   */
  status: oneOf('claimed', 'claiming', 'released'),
  /** What the registry keeps of the agent. */
  registration: optional(anything()),
  /** The updates that may still be asked for again, by session; the longest unused first. */
  sessions: optional(
    list(
      object({
        session: text({ max: 256 }),
        /** What was forgotten by then, when this session came to be remembered. */
        since: version,
        /** Updates below it were confirmed to the client, and are refused. */
        floor: integer({ min: 0 }),
        applied: list(
          object({
            sequence: integer({ min: 0 }),
            version,
            /** What whoever repeats it is told. */
            result: optional(bytes({ max: resultsBytesMax }))
          }),
          { max: openUpdatesMax }
        )
      }),
      { max: sessionsMax }
    )
  ),
  /** The strong state. */
  data: optional(
    object({
      /** Updates that were applied. */
      version,
      /** The version at which a session was last forgotten. */
      forgotten: version,
      value: bytes({ max: strongBytesMax })
    })
  )
})
export type AgentRegister = Infer<typeof AgentRegister>

/** The update of a key that is remembered. */
export function appliedUpdate(
  register: AgentRegister | undefined,
  { session, sequence }: Pick<IdempotencyKey, 'session' | 'sequence'>
): { readonly version: number; readonly result?: Uint8Array } | undefined {
  const known = register?.sessions?.find((one) => one.session === session)
  return known?.applied.find((one) => one.sequence === sequence)
}

/**
 * Names the register of an agent. Three replicas, whatever its documents have: what is agreed must
 * not hang on one disk.
 */
export function registerKeyOf({ id, shardKey }: Pick<AgentRecord, 'id' | 'shardKey'>): RegisterKey {
  return { id, replicas: 3, ...(shardKey === undefined ? {} : { shardKey }) }
}

/** Encodes a value of the strong state: what JSON has, bytes and big integers. */
export function encodeStrong(value: unknown): Uint8Array {
  return encode(value)
}

/** @throws MalformedMessageError */
export function decodeStrong(value: Uint8Array): unknown {
  return decode(value)
}

/** Negative if `a` is older. */
export function compareEpochs(a: Epoch, b: Epoch): number {
  return a.view - b.view || a.boot - b.boot
}
