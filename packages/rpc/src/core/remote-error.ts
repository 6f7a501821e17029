import { isFactual, MurmurationError, RemoteHandlerError, stackless } from '@murmuration/interface'
import { fixed } from '../defaults.ts'
import type { FailureFrame } from './frames.ts'

/** What a handler threw, as an error of Murmuration: others become `RemoteHandlerError`. */
function asFactual(thrown: unknown): MurmurationError {
  if (isFactual(thrown)) return thrown
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  // The handler got some way before it threw; what it did by then nobody knows.
  return new RemoteHandlerError(text, { outcomeUnknown: true })
}

/** The frame that tells the caller what a handler threw. */
export function failureFrame(id: number, thrown: unknown): FailureFrame {
  const error = asFactual(thrown)
  return {
    type: 'failure',
    id,
    name: error.name.slice(0, fixed.errorWordMax),
    code: error.code.slice(0, fixed.errorWordMax),
    message: cut(error.message, fixed.errorMessageMax),
    peer: typeof error.peer === 'string' ? error.peer.slice(0, fixed.errorWordMax) : '',
    retryable: error.retryable,
    overloaded: error.overloaded,
    outcomeUnknown: error.outcomeUnknown
  }
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text
}

/** The error that `peer` sent. */
export function errorFromFrame(frame: FailureFrame, peer: string): MurmurationError {
  const { name, message, code, retryable, overloaded, outcomeUnknown } = frame
  const make = (): MurmurationError =>
    new MurmurationError(name, message, { code, retryable, overloaded, outcomeUnknown })
  const error = overloaded ? stackless(make) : make()
  error.peer = frame.peer === '' ? peer : frame.peer
  // An error that arose elsewhere says nothing of the peer that handed it on, nor of where it arose.
  if (frame.peer === '') error.answered = true
  return error
}
