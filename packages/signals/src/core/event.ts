import type { Signal, SignalInput } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { attributeLengthMax, extensionsMax } from '../defaults.ts'
import { typeSegments } from './pattern.ts'

const required = ['id', 'source', 'type'] as const
const optionalTexts = [
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'traceparent',
  'tracestate',
  'causationid'
] as const

/** Attributes that are not extensions. `data_base64` is taken by the JSON format. */
const known: ReadonlySet<string> = new Set([
  ...required,
  ...optionalTexts,
  'specversion',
  'data',
  'data_base64'
])

// Year to seconds, then an optional fraction, then `Z` or an offset (RFC 3339, section 5.6).
const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:[Zz]|[+-](\d{2}):(\d{2}))$/
const extensionName = /^[a-z0-9]{1,64}$/
const absoluteUri = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/

/** What is filled in where the publisher gave nothing. */
export interface Completion {
  id(): string
  time(): string
  readonly source: string
}

/** Makes a full signal of what a publisher gives; throws `InvalidParametersError`. */
export function completeSignal(input: SignalInput, fill: Completion): Signal {
  if (typeof input !== 'object' || input === null) {
    throw new InvalidParametersError('a signal must be an object')
  }
  return checkSignal({
    ...input,
    specversion: input['specversion'] ?? '1.0',
    id: input.id ?? fill.id(),
    source: input.source ?? fill.source,
    time: input.time ?? fill.time()
  })
}

/**
 * Checks all attributes of a CloudEvent and returns it, frozen and without fields that are
 * `undefined`. Unknown extension attributes stay. Throws `InvalidParametersError` that names the
 * attribute. `data` may be anything here; the codec checks it.
 */
export function checkSignal(value: unknown): Signal {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidParametersError('a signal must be an object')
  }
  const checked: Record<string, unknown> = {}
  let extensions = 0
  for (const [name, attribute] of Object.entries(value)) {
    if (attribute === undefined) {
      continue
    }
    if (!known.has(name)) {
      extensions += 1
      checkExtension(name, attribute)
    }
    checked[name] = attribute
  }
  if (extensions > extensionsMax) {
    throw new InvalidParametersError(`a signal has at most ${extensionsMax} extension attributes`)
  }
  const { specversion } = checked
  if (specversion !== '1.0' && !/^1\.0(\.\d{1,4})?$/.test(String(specversion))) {
    throw new InvalidParametersError("specversion must be '1.0'")
  }
  // A patch changes nothing in the format, so the major and minor number are what is written.
  checked['specversion'] = '1.0'
  if ('data_base64' in checked) {
    throw new InvalidParametersError('data_base64 belongs to the JSON format; give bytes as data')
  }
  for (const name of required) {
    checkText(name, checked[name])
  }
  for (const name of optionalTexts) {
    const attribute = checked[name]
    if (attribute !== undefined) {
      checkText(name, attribute)
    }
  }
  typeSegments(checked['type'])
  checkFormats(checked)
  // Every attribute was checked above, which the type system cannot follow through the record.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.freeze(checked) as unknown as Signal
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new InvalidParametersError(`${name} must be a non-empty text`)
  }
  if (value.length > attributeLengthMax) {
    throw new InvalidParametersError(`${name} is longer than ${attributeLengthMax} characters`)
  }
}

function checkFormats(attributes: Readonly<Record<string, unknown>>): void {
  const { source, time, dataschema, datacontenttype } = attributes
  if (typeof source === 'string' && /\s/.test(source)) {
    throw new InvalidParametersError('source must be a URI reference, without spaces')
  }
  if (typeof time === 'string' && !isRfc3339(time)) {
    throw new InvalidParametersError('time must be a timestamp as of RFC 3339')
  }
  if (typeof dataschema === 'string' && !absoluteUri.test(dataschema)) {
    throw new InvalidParametersError('dataschema must be an absolute URI')
  }
  if (
    typeof datacontenttype === 'string' &&
    !/^[^\s/;]+\/[^\s/;]+(\s*;.*)?$/.test(datacontenttype)
  ) {
    throw new InvalidParametersError('datacontenttype must be a media type')
  }
}

function checkExtension(name: string, value: unknown): void {
  if (!extensionName.test(name)) {
    throw new InvalidParametersError(
      `extension attribute '${name.slice(0, 64)}' must be 1 to 64 lower-case letters and digits`
    )
  }
  const plain =
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isSafeInteger(value)) ||
    (typeof value === 'string' && value.length <= attributeLengthMax) ||
    (value instanceof Uint8Array && value.length <= attributeLengthMax)
  if (!plain) {
    throw new InvalidParametersError(
      `extension attribute '${name}' must be a text, boolean, integer or bytes of at most ` +
        `${attributeLengthMax}`
    )
  }
}

/** The last time that was found right: signals of one moment have the same. */
let lastTime = ''

function isRfc3339(text: string): boolean {
  if (text !== lastTime && !isTimestamp(text)) {
    return false
  }
  lastTime = text
  return true
}

function isTimestamp(text: string): boolean {
  const match = rfc3339.exec(text)
  if (match === null) {
    return false
  }
  const [, year, month, day, hour, minute, second, offsetHour, offsetMinute] = match.map(Number)
  const daysInMonth = new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate()
  return (
    inRange(month, 1, 12) &&
    inRange(day, 1, daysInMonth) &&
    inRange(hour, 0, 23) &&
    inRange(minute, 0, 59) &&
    // 60 is a leap second.
    inRange(second, 0, 60) &&
    (match[7] === undefined || (inRange(offsetHour, 0, 23) && inRange(offsetMinute, 0, 59)))
  )
}

function inRange(value: number | undefined, min: number, max: number): boolean {
  return value !== undefined && value >= min && value <= max
}
