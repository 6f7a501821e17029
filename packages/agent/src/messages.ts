import {
  anything,
  boolean,
  bytes,
  integer,
  list,
  message,
  object,
  oneOf,
  optional,
  record,
  text
} from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { defaults } from './defaults.ts'

/** How it is placed is not said: its owner goes by its own definition of the type. */
const agent = text({ max: 512 })

const operation = object({
  field: text({ max: 4_096 }),
  name: text({ max: 64 }),
  args: list(anything(), { max: 64 })
})

const since = list(integer({ min: 0 }), { max: 3 })

const key = object({
  session: text({ max: 256 }),
  sequence: integer({ min: 0 }),
  lowest: integer({ min: 0 }),
  since: optional(since)
})

const epoch = object({
  view: integer({ min: 0 }),
  boot: integer({ min: 0 }),
  branch: optional(text({ max: 256 })),
  partial: optional(boolean())
})

const failure = object({
  name: text({ max: 512 }),
  code: text({ max: 512 }),
  message: text({ max: 8_192 }),
  retryable: boolean(),
  overloaded: boolean(),
  outcomeUnknown: boolean()
})
/** What a handler threw. */
export type Failure = Infer<typeof failure>

/** A call, update or signal on its way to the agent's owner. */
export const WorkRequest = message({
  agent,
  kind: oneOf('call', 'update', 'signal'),
  /** The view by which the sender chose this peer. */
  view: integer({ min: 0 }),
  action: optional(text({ max: 128 })),
  input: optional(anything()),
  operations: optional(list(operation, { max: 4_096 })),
  key: optional(key),
  ack: optional(oneOf('local', 'replicated', 'majority')),
  /** A member has handed it on to the edge peer that owns the agent: nobody else does. */
  handedOn: optional(boolean()),
  /** What the caller's session has seen: the work follows it, and its version is told. */
  after: optional(record(integer({ min: 0 }), { max: 10_000 }))
})
export type WorkRequest = Infer<typeof WorkRequest>

export const WorkReply = message({
  /**
   * `moved`: this peer does not own the agent in `view`. `failed`: its handler threw. `unknown`: the
   * session of the key may have been forgotten.
   */
  status: oneOf('done', 'moved', 'failed', 'unknown'),
  since: optional(since),
  view: integer({ min: 0 }),
  output: optional(anything()),
  failure: optional(failure),
  version: optional(record(integer({ min: 0 }), { max: 10_000 })),
  epoch: optional(epoch),
  copies: optional(integer({ min: 0, max: 7 })),
  duplicate: optional(boolean()),
  /**
   * The document after an update, where it is small: of updates only. The four before: of these, of
   * sessions, and of what one side of a split acknowledged by itself.
   */
  document: optional(bytes({ max: defaults.echoBytesMax }))
})
export type WorkReply = Infer<typeof WorkReply>

export const WatchRequest = message({ agent, view: integer({ min: 0 }) })

/** News of a document; without its bytes where they are too many for a message. */
export const WatchItem = message({
  document: optional(bytes({ max: defaults.watchBytesMax })),
  epoch: optional(epoch)
})

/** What a committed action leaves to be told again: its output, under a key of its own. */
export const StoredResult = message({ output: optional(anything()) })
