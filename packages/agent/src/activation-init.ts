import type {
  AckLevel,
  AgentRecord,
  IdempotencyKey,
  LogSink,
  PeerLease,
  SignalInput
} from '@murmuration/interface'
import type { OwnedDocument, State } from '@murmuration/state'
import type { Activation } from './activation.ts'
import type { AgentType } from './define.ts'
import type { Caller } from './interest.ts'
import type { Done } from './request.ts'

/** Limits of one request. */
export interface WorkOptions {
  readonly key?: IdempotencyKey | undefined
  readonly ack?: AckLevel | undefined
  readonly caller: Caller
  readonly timeoutMs: number
  /** Keeps the key and the output even where the handler changed nothing. @default false */
  readonly recorded?: boolean | undefined
  /** Of the schema by which operations were made. @default 1 */
  readonly schemaVersion?: number | undefined
}

/** An action whose handler has begun, and which now goes on as any other request. */
export interface Begun {
  readonly follow: (options: WorkOptions) => Promise<Done>
}

export interface ActivationInit {
  readonly type: AgentType
  readonly record: AgentRecord
  readonly key: string
  readonly owned: OwnedDocument
  readonly strong: State['strong']
  readonly mailboxMax: number
  /** What must be held before each effect; undefined where nobody could take over. */
  readonly lease: PeerLease | undefined
  /** Undefined without a signal bus. */
  readonly emit: ((signal: SignalInput) => void) | undefined
  readonly now: () => number
  /** Holds the activations whose handler has not returned at once. */
  readonly busy: Set<Activation>
  readonly onClose: () => void
  /** A handler threw something that it did not mean to tell. */
  readonly onFailure: (reason: string) => void
  readonly log: LogSink | undefined
}
