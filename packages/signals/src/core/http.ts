import type { Signal } from '@murmuration/interface'
import { InvalidParametersError, MalformedMessageError } from '@murmuration/interface'
import { checkSignal } from './event.ts'
import { fromJSON, toJSON } from './json.ts'

/** An HTTP message that carries one CloudEvent. Names of headers are in lower case. */
export interface HttpMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const prefix = 'ce-'
const structured = 'application/cloudevents+json'

/** A signal in the structured mode of HTTP: all of it in the body, as JSON. */
export function toStructuredHttp(signal: Signal): HttpMessage {
  return {
    headers: { 'content-type': `${structured}; charset=utf-8` },
    body: new TextEncoder().encode(JSON.stringify(toJSON(signal)))
  }
}

/**
 * A signal in the binary mode of HTTP: attributes as headers, `data` as the body, as
 * `datacontenttype` says. Bytes go as they are, text with a content type of `text/*` as UTF-8, all else
 * as JSON. Throws `InvalidParametersError` for what the content type cannot carry.
 */
export function toBinaryHttp(signal: Signal): HttpMessage {
  const { data, datacontenttype, ...attributes } = checkSignal(signal)
  const json = toJSON({ ...attributes, specversion: '1.0' })
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(json)) {
    headers[`${prefix}${name}`] = encodeHeader(String(value))
  }
  if (data === undefined) {
    return { headers: withType(headers, datacontenttype), body: new Uint8Array(0) }
  }
  if (data instanceof Uint8Array) {
    return { headers: withType(headers, datacontenttype ?? 'application/octet-stream'), body: data }
  }
  const type = datacontenttype ?? 'application/json'
  return { headers: withType(headers, type), body: new TextEncoder().encode(textOf(data, type)) }
}

/**
 * Reads a signal from HTTP, in either mode. Values of extension attributes that came as headers are
 * texts. Throws `MalformedMessageError`.
 */
export function fromHttp({ body, headers }: HttpMessage): Signal {
  const lower = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  )
  const type = lower['content-type']
  const media = type?.split(';')[0]?.trim().toLowerCase()
  if (media === structured) {
    return fromJSON(textOfBody(body))
  }
  if (media?.startsWith('application/cloudevents') === true) {
    throw new MalformedMessageError(`the format ${media} is not supported`)
  }
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(lower)) {
    if (name.startsWith(prefix)) {
      fields[name.slice(prefix.length)] = decodeHeader(value)
    }
  }
  if (type !== undefined) {
    fields['datacontenttype'] = type
  }
  if (body.length > 0) {
    fields['data'] = dataOf(body, media)
  }
  try {
    return checkSignal(fields)
  } catch (cause) {
    throw new MalformedMessageError(cause instanceof Error ? cause.message : 'not a signal', {
      cause
    })
  }
}

function withType(
  headers: Readonly<Record<string, string>>,
  type: string | undefined
): Readonly<Record<string, string>> {
  return type === undefined ? headers : { ...headers, 'content-type': type }
}

function isJson(media: string): boolean {
  return /^[^/]+\/(.*\+)?json$/.test(media)
}

function textOf(data: unknown, type: string): string {
  const media = type.split(';')[0]?.trim().toLowerCase() ?? ''
  if (isJson(media)) {
    // Checks that JSON can carry it.
    const json = toJSON({ specversion: '1.0', id: '-', source: '-', type: '-', data })
    return JSON.stringify(json['data'])
  }
  if (typeof data === 'string') {
    return data
  }
  throw new InvalidParametersError(`data with the content type ${media} must be bytes or text`)
}

function dataOf(body: Uint8Array, media = 'application/json'): unknown {
  if (isJson(media)) {
    try {
      return JSON.parse(textOfBody(body))
    } catch (cause) {
      throw new MalformedMessageError('the body is not JSON', { cause })
    }
  }
  return media.startsWith('text/') ? textOfBody(body) : body
}

function textOfBody(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (cause) {
    throw new MalformedMessageError('the body is not UTF-8', { cause })
  }
}

/** Percent-encoding of what headers cannot carry (CloudEvents, HTTP binding, section 3.1.3.2). */
function encodeHeader(value: string): string {
  return value.replace(/[^\u0021-\u007e]|["%]/gu, (character) => encodeURIComponent(character))
}

function decodeHeader(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch (cause) {
    throw new MalformedMessageError('a header is not percent-encoded UTF-8', { cause })
  }
}
