/**
 * Every error of Murmuration. Match on `name` or `code`, never on the message and never with
 * `instanceof` across packages (two copies of a package may be installed).
 *
 * Three facts travel with each error, also across the wire:
 * - `retryable`: trying again later, unchanged, may succeed and is safe;
 * - `overloaded`: the other side shed the request before doing any work;
 * - `outcomeUnknown`: the request was sent and may have taken effect, or may still take effect.
 */
export interface ErrorFacts {
  readonly code: string
  readonly retryable?: boolean
  readonly overloaded?: boolean
  readonly outcomeUnknown?: boolean
  readonly cause?: unknown
}

/** Base of all errors; thrown itself only for errors that another peer defined. */
export class MurmurationError extends Error {
  readonly code: string
  readonly retryable: boolean
  readonly overloaded: boolean
  readonly outcomeUnknown: boolean
  /** The peer on which the error arose, where that was not this one. */
  peer?: string
  /** That peer itself answered with it, so it is there. Else this one came to it, or another between. */
  answered?: boolean

  constructor(name: string, message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = name
    this.code = facts.code
    this.retryable = facts.retryable ?? false
    this.overloaded = facts.overloaded ?? false
    this.outcomeUnknown = facts.outcomeUnknown ?? false
  }
}

/**
 * Whether an error carries the facts of this project, whichever copy of the package made it: ask
 * this, and not `instanceof`.
 */
export function isFactual(error: unknown): error is MurmurationError {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    'retryable' in error &&
    typeof error.retryable === 'boolean' &&
    'overloaded' in error &&
    typeof error.overloaded === 'boolean' &&
    'outcomeUnknown' in error &&
    typeof error.outcomeUnknown === 'boolean'
  )
}

/**
 * Makes an error without a stack, which costs more than all else of a refusal: for those of which there
 * may be thousands a second, and that say where they arose by what they are.
 */
export function stackless<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What a caller may add to an error. */
export interface ErrorDetail {
  readonly cause?: unknown
}

/** An argument or option is wrong; nothing was changed. */
export class InvalidParametersError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('InvalidParametersError', message, { code: 'ERR_INVALID_PARAMETERS', ...detail })
  }
}

/** Bytes from disk or network do not decode, or break a limit; nothing was changed. */
export class MalformedMessageError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('MalformedMessageError', message, { code: 'ERR_MALFORMED_MESSAGE', ...detail })
  }
}

/** A message is over its size limit; nothing was sent. */
export class MessageTooLargeError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('MessageTooLargeError', message, { code: 'ERR_MESSAGE_TOO_LARGE', ...detail })
  }
}

/** The deadline passed after the request was sent: it may have taken effect. */
export class DeadlineExceededError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('DeadlineExceededError', message, {
      code: 'ERR_DEADLINE_EXCEEDED',
      outcomeUnknown: true,
      ...detail
    })
  }
}

/** The caller's signal fired. `outcomeUnknown` says whether the request had been sent. */
export class AbortedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail & { readonly outcomeUnknown?: boolean } = {}) {
    super('AbortedError', message, { code: 'ERR_ABORTED', ...detail })
  }
}

/** No connection to the peer could be had; nothing was sent. */
export class PeerUnavailableError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('PeerUnavailableError', message, {
      code: 'ERR_PEER_UNAVAILABLE',
      retryable: true,
      ...detail
    })
  }
}

/** The connection ended after the request was sent and before its answer came. */
export class ConnectionLostError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ConnectionLostError', message, {
      code: 'ERR_CONNECTION_LOST',
      outcomeUnknown: true,
      ...detail
    })
  }
}

/** A queue or mailbox was full; the request was not begun. */
export class OverloadedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('OverloadedError', message, {
      code: 'ERR_OVERLOADED',
      retryable: true,
      overloaded: true,
      ...detail
    })
  }
}

/** No peer that may run the agent has room for it; nothing was begun. */
export class ClusterAtCapacityError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ClusterAtCapacityError', message, {
      code: 'ERR_CLUSTER_AT_CAPACITY',
      retryable: true,
      overloaded: true,
      ...detail
    })
  }
}

/** The agent failed too often in a row and rests; the message says how, and for how long. */
export class AgentFailedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('AgentFailedError', message, { code: 'ERR_AGENT_FAILED', ...detail })
  }
}

/** The other peer has no handler of that name (yet, or in its version). */
export class UnknownMethodError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('UnknownMethodError', message, { code: 'ERR_UNKNOWN_METHOD', ...detail })
  }
}

/** A handler on another peer threw something that is no error of Murmuration. */
export class RemoteHandlerError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail & { readonly outcomeUnknown?: boolean } = {}) {
    super('RemoteHandlerError', message, { code: 'ERR_REMOTE_HANDLER', ...detail })
  }
}

/** The peer could not prove that it belongs to the cluster. */
export class NotAdmittedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('NotAdmittedError', message, { code: 'ERR_NOT_ADMITTED', ...detail })
  }
}

/** The certificate of the peer gives it no role that may do this. */
export class NotPermittedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('NotPermittedError', message, { code: 'ERR_NOT_PERMITTED', ...detail })
  }
}

/** A signature, certificate or envelope does not hold. */
export class InvalidSignatureError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('InvalidSignatureError', message, { code: 'ERR_INVALID_SIGNATURE', ...detail })
  }
}

/** Not possible when the cluster runs on a shared secret; the message says what to do. */
export class UnsupportedInSecretModeError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('UnsupportedInSecretModeError', message, {
      code: 'ERR_UNSUPPORTED_IN_SECRET_MODE',
      ...detail
    })
  }
}

/** The agent does not run here; `owner` (if known) and `view` say where to ask. */
export class NotOwnerError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('NotOwnerError', message, { code: 'ERR_NOT_OWNER', retryable: true, ...detail })
  }
}

/**
 * The sender acted under an older view or epoch than was durably adopted: an owner that was replaced
 * changes and acknowledges nothing any more. With `outcomeUnknown` it had executed the update before,
 * which may yet be merged, once for its key.
 */
export class FencedError extends MurmurationError {
  constructor(
    message: string,
    detail: ErrorDetail & Partial<Pick<ErrorFacts, 'retryable' | 'outcomeUnknown'>> = {}
  ) {
    super('FencedError', message, { code: 'ERR_FENCED', ...detail })
  }
}

/** A document's writers were collected further than the other one's, so that they do not merge. */
export class BelowFloorError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('BelowFloorError', message, { code: 'ERR_BELOW_FLOOR', ...detail })
  }
}

/** Not enough replicas or members can be reached now. */
export class UnavailableError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('UnavailableError', message, { code: 'ERR_UNAVAILABLE', retryable: true, ...detail })
  }
}

/** The update is applied here, but not enough copies were confirmed in time: it may survive or not. */
export class OutcomeUnknownError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('OutcomeUnknownError', message, {
      code: 'ERR_OUTCOME_UNKNOWN',
      outcomeUnknown: true,
      ...detail
    })
  }
}

/** The agent is paused because of a network split. */
export class PausedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('PausedError', message, { code: 'ERR_PAUSED', retryable: true, ...detail })
  }
}

/** The idempotency key is older than what its session has confirmed. */
export class KeyExpiredError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('KeyExpiredError', message, { code: 'ERR_KEY_EXPIRED', ...detail })
  }
}

/**
 * The owner has forgotten sessions, maybe this one, so it cannot tell whether the idempotency key has
 * counted before. Nothing was done now. With the same key it is refused again; a key that was **never
 * sent before** is taken with the `since` of this error.
 */
export class SessionUnknownError extends MurmurationError {
  readonly since: readonly number[]

  constructor(message: string, since: readonly number[], detail: ErrorDetail = {}) {
    super('SessionUnknownError', message, { code: 'ERR_SESSION_UNKNOWN', ...detail })
    this.since = since
  }
}

/** No peer that can be reached defines this agent type, or the type has no such action. */
export class UnknownAgentError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('UnknownAgentError', message, { code: 'ERR_UNKNOWN_AGENT', ...detail })
  }
}

/** The input or output of an action does not match its schema. */
export class SchemaError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('SchemaError', message, { code: 'ERR_SCHEMA', ...detail })
  }
}

/** The state of an agent was written with a later schema than this peer knows. */
export class SchemaVersionError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('SchemaVersionError', message, { code: 'ERR_SCHEMA_VERSION', ...detail })
  }
}

/** The asked consistency level cannot be given for this part of an agent. */
export class ConsistencyUnavailableError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ConsistencyUnavailableError', message, {
      code: 'ERR_CONSISTENCY_UNAVAILABLE',
      ...detail
    })
  }
}

/** The clock of the owner is too far from those of the other members; nothing was changed. */
export class ClockSkewError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ClockSkewError', message, { code: 'ERR_CLOCK_SKEW', ...detail })
  }
}

/** Stored data is damaged. It is never read as absent. */
export class CorruptDataError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('CorruptDataError', message, { code: 'ERR_CORRUPT_DATA', ...detail })
  }
}

/** The store could not be read or written. */
export class StorageError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('StorageError', message, { code: 'ERR_STORAGE', ...detail })
  }
}

/** The object was stopped, or has not been started. */
export class NotStartedError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('NotStartedError', message, { code: 'ERR_NOT_STARTED', ...detail })
  }
}
