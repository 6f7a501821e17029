import { InvalidParametersError } from '@murmuration/interface'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import {
  clusterBytesMax,
  knownTypesMax,
  topicCount,
  topicNumbersMax,
  typeLengthMax,
  typeSegmentsMax
} from '../defaults.ts'

// Printable, and none of the separators and wildcards.
const segment = /^[^\s.*\p{C}]+$/u

/** Programs use few types, each of them often. */
const knownTypes = new Map<unknown, readonly string[]>()

/** Splits a type such as `order.created`; throws `InvalidParametersError` where it is none. */
export function typeSegments(type: unknown): readonly string[] {
  const known = knownTypes.get(type)
  if (known !== undefined) {
    return known
  }
  const segments = split(type, 'type')
  for (const part of segments) {
    if (!segment.test(part)) {
      throw new InvalidParametersError(
        `type: '${segments.join('.')}' has an empty segment, a space or a wildcard`
      )
    }
  }
  if (knownTypes.size >= knownTypesMax) {
    knownTypes.clear()
  }
  knownTypes.set(type, segments)
  return segments
}

/** Splits a pattern, in which a segment may also be `*` (one segment) or `**` (any number). */
export function patternSegments(pattern: unknown): readonly string[] {
  const segments = split(pattern, 'pattern')
  for (const part of segments) {
    if (part !== '*' && part !== '**' && !segment.test(part)) {
      throw new InvalidParametersError(
        `pattern: '${segments.join('.')}' may use '*' and '**' only as whole segments`
      )
    }
  }
  return segments
}

function split(text: unknown, name: string): readonly string[] {
  if (typeof text !== 'string' || text === '') {
    throw new InvalidParametersError(`${name} must be a non-empty text`)
  }
  if (text.length > typeLengthMax) {
    throw new InvalidParametersError(`${name} is longer than ${typeLengthMax} characters`)
  }
  const segments = text.split('.')
  if (segments.length > typeSegmentsMax) {
    throw new InvalidParametersError(`${name} has more than ${typeSegmentsMax} segments`)
  }
  return segments
}

/** Hashing the few first segments that a program uses for each signal would be a waste. */
const topicNumbers = new Map<string, number>()

/** Number of the topic that carries signals whose type begins with this segment. */
export function topicNumber(firstSegment: string): number {
  const known = topicNumbers.get(firstSegment)
  if (known !== undefined) {
    return known
  }
  const hash = sha256(utf8ToBytes(firstSegment))
  const number = (((hash[0] ?? 0) << 8) | (hash[1] ?? 0)) % topicCount
  if (topicNumbers.size >= topicNumbersMax) {
    topicNumbers.clear()
  }
  topicNumbers.set(firstSegment, number)
  return number
}

/** The gossip topic of that number. */
export function topicName(cluster: string, number: number): string {
  return `/${encodeURIComponent(cluster)}/signals/1/${number}`
}

/** What stands in place of the topic in signals for one peer. */
export function targetName(cluster: string, peer: string): string {
  return `/${encodeURIComponent(cluster)}/signals/1/to/${peer}`
}

/** Whether signals of a channel are for one peer, and not for the one whose channel is `own`. */
export function isForAnother(channel: string, own: string): boolean {
  return channel.includes('/to/') && channel !== own
}

/** All gossip topics of a cluster. */
export function topicNames(cluster: string): readonly string[] {
  return Array.from({ length: topicCount }, (_, number) => topicName(cluster, number))
}

/** Numbers of the topics on which signals of a pattern can arrive. */
export function topicsOfPattern(segments: readonly string[]): readonly number[] {
  const first = segments[0] ?? '**'
  return first === '*' || first === '**'
    ? Array.from({ length: topicCount }, (_, number) => number)
    : [topicNumber(first)]
}

/** Throws `InvalidParametersError` unless the text can name a cluster. */
export function checkCluster(name: string): string {
  const valid = typeof name === 'string' && name !== '' && name.isWellFormed()
  if (!valid || utf8ToBytes(name).length > clusterBytesMax) {
    throw new InvalidParametersError(`cluster must be a text of 1 to ${clusterBytesMax} bytes`)
  }
  return name
}
