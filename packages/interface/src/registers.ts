import type { AbortOptions } from '@libp2p/interface'
import type { AgentRecord } from './agent-record.ts'
import type { Service } from './runtime.ts'

/** Names a register and where it lives: on the home set of `shardKey ?? id` in each view. */
export type RegisterKey = Pick<AgentRecord, 'id' | 'shardKey' | 'replicas'>

/**
 * The next value of a register, computed from the present one (undefined: there is none).
 *
 * - Another value replaces the present one; `undefined` deletes it.
 * - The very value that was given leaves it as it is, and still makes sure that it is agreed.
 *
 * It must be pure: it may run several times, and a run whose value was not chosen leaves nothing.
 */
export type RegisterChange = (current: Uint8Array | undefined) => Uint8Array | undefined

/** What became of one operation on a register. */
export type RegisterOutcome =
  | {
      readonly status: 'committed'
      readonly previous: Uint8Array | undefined
      readonly value: Uint8Array | undefined
      /** The view in which it was agreed. */
      readonly view: number
    }
  /** It had no effect and never will. */
  | {
      readonly status: 'unavailable'
      readonly reason: 'no-view' | 'no-quorum' | 'unsettled-lost' | 'overloaded' | 'contended'
    }
  /** It may have taken effect, or may still do so at any later time. Ask again, or read. */
  | { readonly status: 'unknown' }

/** Options of one operation. */
export interface RegisterOptions extends AbortOptions {
  /** Milliseconds until the outcome is `unavailable` or `unknown`. @default 5000 */
  readonly timeoutMs?: number
  /**
   * As far as the caller knows nobody has written it yet: then one round trip is enough, if all
   * replicas answer. A wrong guess costs nothing but bytes. @default false
   */
  readonly isNew?: boolean
}

/**
 * One linearizable register per key, without a leader: any peer may change any register, a majority
 * of the key's home set decides, and changes of the home set lose nothing (rules 1, 6 and 7).
 */
export interface Registers extends Service {
  change(
    key: RegisterKey,
    change: RegisterChange,
    options?: RegisterOptions
  ): Promise<RegisterOutcome>
  /** The present value, linearizable: one round trip where nothing is under way. */
  read(key: RegisterKey, options?: RegisterOptions): Promise<RegisterOutcome>
}
