import type { Signal } from '@murmuration/interface'
import { InvalidParametersError, MalformedMessageError } from '@murmuration/interface'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { checkSignal } from './event.ts'

/** A signal in the structured JSON format of CloudEvents 1.0. */
export type SignalJson = Readonly<Record<string, unknown>>

/**
 * The structured JSON format of a signal (CloudEvents 1.0, `application/cloudevents+json`). Use it
 * to hand signals to other systems; `JSON.stringify` the result.
 *
 * Bytes as `data` become `data_base64`; bytes as an extension attribute become base64 text. Throws
 * `InvalidParametersError` for `data` that JSON cannot carry, such as a bigint or nested bytes.
 */
export function toJSON(signal: Signal): SignalJson {
  const { data, ...attributes } = checkSignal(signal)
  const json: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(attributes)) {
    json[name] = value instanceof Uint8Array ? toString(value, 'base64pad') : value
  }
  if (data instanceof Uint8Array) {
    json['data_base64'] = toString(data, 'base64pad')
  } else if (data !== undefined) {
    checkJsonValue(data, 'data', 0)
    json['data'] = data
  }
  return json
}

/**
 * Reads the structured JSON format of CloudEvents 1.0, as text or as a parsed value. Throws
 * `MalformedMessageError` that names the attribute.
 */
export function fromJSON(json: unknown): Signal {
  const value = typeof json === 'string' ? parse(json) : json
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedMessageError('a signal must be a JSON object')
  }
  const entries = Object.entries(value)
  const base64: unknown = entries.find(([name]) => name === 'data_base64')?.[1] ?? undefined
  // CloudEvents reads a null attribute as an absent one; null as data is a value. `fromEntries`
  // makes own properties, so that a field named `__proto__` is seen and refused.
  const fields: Record<string, unknown> = Object.fromEntries(
    entries.filter(
      ([name, attribute]) => name !== 'data_base64' && (attribute !== null || name === 'data')
    )
  )
  if (base64 !== undefined) {
    if (fields['data'] !== undefined) {
      throw new MalformedMessageError('a signal has either data or data_base64')
    }
    fields['data'] = bytesOf(base64)
  }
  try {
    return checkSignal(fields)
  } catch (cause) {
    throw new MalformedMessageError(cause instanceof Error ? cause.message : 'not a signal', {
      cause
    })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MalformedMessageError('text is not JSON', { cause })
  }
}

function bytesOf(base64: unknown): Uint8Array {
  if (typeof base64 !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw new MalformedMessageError('data_base64 must be base64 text')
  }
  try {
    return fromString(base64.replace(/=+$/, ''), 'base64')
  } catch (cause) {
    throw new MalformedMessageError('data_base64 must be base64 text', { cause })
  }
}

/** The same depth limit as the wire has; a cycle would run into it. */
function checkJsonValue(value: unknown, path: string, depth: number): void {
  const primitive =
    value === null ||
    value === undefined ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  if (primitive) {
    return
  }
  if (typeof value !== 'object' || value instanceof Uint8Array || depth > 32) {
    throw new InvalidParametersError(`${path} cannot be written as JSON`)
  }
  for (const [key, part] of Object.entries(value)) {
    checkJsonValue(part, `${path}.${key}`, depth + 1)
  }
}
