import { isFactual, MurmurationError, RemoteHandlerError } from '@murmuration/interface'
import type { Failure } from './messages.ts'

/**
 * What a handler threw, told apart from what went wrong around it: it is the caller's business, and
 * is never a reason to ask again.
 */
export class HandlerFailure extends Error {
  readonly error: MurmurationError

  constructor(thrown: unknown) {
    super('a handler failed')
    this.error = failureOf(thrown)
  }
}

/** The error of a handler as its caller gets it, on this peer and on others. */
function failureOf(thrown: unknown): MurmurationError {
  if (isFactual(thrown)) return thrown
  if (!(thrown instanceof Error)) return new RemoteHandlerError(String(thrown), { cause: thrown })
  const { name, message } = thrown
  // Errors with a code are made to be told apart, so they keep their name.
  if ('code' in thrown && typeof thrown.code === 'string') {
    return new MurmurationError(name, message, { code: thrown.code, cause: thrown })
  }
  return new RemoteHandlerError(`${name}: ${message}`, { cause: thrown })
}

/** Longest texts of an error on the wire, in characters. */
const WORD_MAX = 128
const MESSAGE_MAX = 2_048

export function failureToWire(error: MurmurationError): Failure {
  const { name, code, message, retryable, overloaded, outcomeUnknown } = error
  return {
    name: name.slice(0, WORD_MAX),
    code: code.slice(0, WORD_MAX),
    // Cutting may leave half of a pair of surrogates, which has no encoding.
    message: message.slice(0, MESSAGE_MAX).toWellFormed(),
    retryable,
    overloaded,
    outcomeUnknown
  }
}

export function failureFromWire(failure: Failure, peer: string): MurmurationError {
  const { name, message, ...facts } = failure
  const error = new MurmurationError(name, message, facts)
  error.peer = peer
  return error
}

/** The same error after an earlier attempt that may have taken effect, or still may. */
export function withUnknownOutcome(error: MurmurationError): MurmurationError {
  if (error.outcomeUnknown) return error
  const { name, message, code, retryable } = error
  return new MurmurationError(name, message, {
    code,
    retryable,
    outcomeUnknown: true,
    cause: error
  })
}
