import { bytes, integer, list, message, object, oneOf, optional, text } from '@murmuration/codec'
import type { Infer, Shape } from '@murmuration/codec'
import { MalformedMessageError } from '@murmuration/interface'
import type { Ballot } from './core/ballot.ts'
import { isName } from './core/register-name.ts'
import type { Accepted, Reply, Request } from './core/requests.ts'
import { messageItemsMax, valueBytesMax } from './defaults.ts'

const count: Shape<number> = integer({ min: 0 })
const proposerText: Shape<string> = text({ max: 256 })
const nameText: Shape<string> = text({ max: 3072 })
const valueBytes: Shape<Uint8Array> = bytes({ max: valueBytesMax })

const ballotShape = object({ view: count, counter: count, proposer: proposerText })
const lineageShape = list(object({ proposer: proposerText, from: count, to: count }), { max: 8 })
const acceptedShape = object({
  ballot: ballotShape,
  value: optional(valueBytes),
  lineage: optional(lineageShape),
  isFirst: optional(oneOf('yes'))
})

const requestShape = object({
  type: oneOf('prepare', 'accept', 'first', 'peek', 'seal'),
  name: nameText,
  counter: optional(count),
  value: optional(valueBytes),
  lineage: optional(lineageShape)
})

const replyShape = object({
  type: oneOf('promised', 'accepted', 'held', 'conflict', 'sealed', 'refused', 'later'),
  accepted: optional(acceptedShape),
  highest: optional(ballotShape),
  own: optional(ballotShape),
  lostIn: optional(count),
  reason: optional(oneOf('damaged', 'overloaded', 'misplaced'))
})

/** Requests of one proposer to one acceptor, all of one view. */
export const requestBatch = message({
  view: count,
  /** Of the acceptor: another life of its disk does not answer for it. */
  incarnation: text({ max: 128 }),
  proposer: proposerText,
  items: list(requestShape, { max: messageItemsMax })
})
export type RequestBatch = Infer<typeof requestBatch>

/** The answers, in the order of the requests; none where the acceptor is in a newer view. */
export const replyBatch = message({
  view: count,
  settled: count,
  items: list(replyShape, { max: messageItemsMax })
})
export type ReplyBatch = Infer<typeof replyBatch>

/** Asks whether a peer has moved everything that it held when it adopted a view. */
export const movedRequest = message({ view: count })
export const movedReply = message({
  incarnation: text({ max: 128 }),
  moved: oneOf('yes', 'no')
})

/** How a record is stored: the promise by itself, for it changes more often than the value. */
export const storedPromise = message({ promised: ballotShape })
export const storedAccepted = message({
  accepted: acceptedShape,
  promised: ballotShape,
  sealed: oneOf('yes', 'no')
})
export const storedDamage = message({ view: count })

/** A reply that was not given yet, because the message would be too large; to be asked again. */
export type WireReply = Reply | { readonly type: 'later' }

export function toWire(request: Request): RequestBatch['items'][number] {
  const { name, type } = request
  switch (type) {
    case 'peek':
      return { type, name }
    case 'accept':
    case 'first':
      return {
        type,
        name,
        counter: request.ballot.counter,
        ...valueToWire(request)
      }
    case 'prepare':
    case 'seal':
      return { type, name, counter: request.ballot.counter }
  }
}

export function fromWire(
  { counter = 0, lineage = [], name, type, value }: RequestBatch['items'][number],
  { proposer, view }: Pick<RequestBatch, 'proposer' | 'view'>
): Request {
  if (!isName(name)) {
    throw new MalformedMessageError('the name of a register is malformed')
  }
  const ballot: Ballot = { view, counter, proposer }
  switch (type) {
    case 'peek':
      return { type, name }
    case 'accept':
    case 'first':
      return { type, name, ballot, value, lineage }
    case 'prepare':
    case 'seal':
      return { type, name, ballot }
  }
}

export function acceptedToWire(accepted: Accepted): Infer<typeof acceptedShape> {
  const { ballot, isFirst } = accepted
  return { ballot, ...valueToWire(accepted), ...(isFirst === true ? { isFirst: 'yes' } : {}) }
}

export function acceptedFromWire({
  ballot,
  isFirst,
  lineage = [],
  value
}: Infer<typeof acceptedShape>): Accepted {
  return { ballot, value, lineage, ...(isFirst === undefined ? {} : { isFirst: true }) }
}

/** Without what is empty: a deletion has no value, and most values no lineage of note. */
function valueToWire({
  lineage,
  value
}: Pick<Accepted, 'lineage' | 'value'>): Pick<Infer<typeof acceptedShape>, 'lineage' | 'value'> {
  return {
    ...(value === undefined ? {} : { value }),
    ...(lineage.length === 0 ? {} : { lineage })
  }
}

export function replyToWire(reply: WireReply): ReplyBatch['items'][number] {
  const { type } = reply
  switch (type) {
    case 'promised':
    case 'held': {
      const { accepted } = reply
      const lostIn = type === 'promised' ? reply.lostIn : undefined
      return {
        type,
        ...(accepted === undefined ? {} : { accepted: acceptedToWire(accepted) }),
        ...(lostIn === undefined ? {} : { lostIn })
      }
    }
    case 'conflict':
      return { type, highest: reply.highest, own: reply.accepted }
    case 'refused':
      return { type, reason: reply.reason }
    case 'accepted':
    case 'sealed':
    case 'later':
      return { type }
  }
}

export function replyFromWire(item: ReplyBatch['items'][number]): WireReply {
  const { accepted, highest, lostIn, own, reason, type } = item
  const held = accepted === undefined ? undefined : acceptedFromWire(accepted)
  switch (type) {
    case 'promised':
      return { type, accepted: held, ...(lostIn === undefined ? {} : { lostIn }) }
    case 'held':
      return { type, accepted: held }
    case 'conflict':
      if (highest === undefined || own === undefined) {
        throw new MalformedMessageError('a conflict names no ballots')
      }
      return { type, highest, accepted: own }
    case 'refused':
      return { type, reason: reason ?? 'misplaced' }
    case 'accepted':
    case 'sealed':
    case 'later':
      return { type }
  }
}

/** Bytes that a request or reply takes, roughly. */
export function sizeOf(part: Request | WireReply): number {
  switch (part.type) {
    case 'accept':
    case 'first':
      return 160 + part.name.length + (part.value?.length ?? 0)
    case 'promised':
    case 'held':
      return 240 + (part.accepted?.value?.length ?? 0)
    case 'prepare':
    case 'peek':
    case 'seal':
      return 160 + part.name.length
    case 'accepted':
    case 'conflict':
    case 'sealed':
    case 'refused':
    case 'later':
      return 320
  }
}
