import { bytes, integer, list, message, object, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { messageBytesMax, rangesMax } from '../defaults.ts'
import { rangeShape, Registration, streamShape } from './records.ts'

/** Batches for the log of another peer, as their authors signed them. */
export type Push = Infer<typeof Push>
export const Push = message(
  {
    originals: list(bytes({ max: messageBytesMax }), { max: 64 }),
    /** 1: answer when they survive a loss of power. */
    sync: integer({ min: 0, max: 1 })
  },
  { bytesMax: 1_000_000 }
)

/** One word per batch: `logged`, or why not. */
export const PushReply = message({ words: list(text({ max: 64 }), { max: 64 }) })

/** Asks for sequences of a stream that are missing. */
export type Pull = Infer<typeof Pull>
export const Pull = message({
  stream: streamShape,
  from: integer({ min: 1 }),
  to: integer({ min: 1 }),
  /** Only what its author sent after that, by the author's clock. */
  since: optional(integer({ min: 0 }))
})

/** What the log has of them, and which of them it does not have. */
export type PullReply = Infer<typeof PullReply>
export const PullReply = message(
  {
    originals: list(bytes({ max: messageBytesMax }), { max: 64 }),
    absent: list(rangeShape, { max: rangesMax })
  },
  { bytesMax: 1_000_000 }
)

const headShape = object({
  author: text({ max: 256 }),
  boot: integer({ min: 0 }),
  /** Place in the list of channels. */
  channel: integer({ min: 0 }),
  high: integer({ min: 0 })
})

const progressShape = object({
  id: text({ max: 512 }),
  stream: streamShape,
  handled: list(rangeShape, { max: rangesMax })
})
export type ProgressNote = Infer<typeof progressShape>

/** A state of what a peer knows of durable subscriptions; counted anew in each boot. */
const versionShape = object({
  boot: integer({ min: 0 }),
  registrations: integer({ min: 0 }),
  progress: integer({ min: 0 })
})
export type Version = Infer<typeof versionShape>

/** What the asker listens to and has, and what it has been told of subscriptions before. */
export type Exchange = Infer<typeof Exchange>
export const Exchange = message({
  channels: list(text({ max: 1024 }), { max: 64 }),
  heads: list(headShape, { max: 8192 }),
  seen: optional(versionShape)
})

/** Streams of these channels of which the answerer has more, and what is new of subscriptions. */
export type ExchangeReply = Infer<typeof ExchangeReply>
export const ExchangeReply = message({
  heads: list(headShape, { max: 8192 }),
  version: versionShape,
  registrations: list(Registration, { max: 4096 }),
  progress: list(progressShape, { max: 4096 })
})

/** What an exchange tells of durable subscriptions. */
export type Notes = Pick<ExchangeReply, 'version' | 'registrations' | 'progress'>

/** A subscription that begins, changes or ends. */
export type Register = Infer<typeof Register>
export const Register = message({
  registration: Registration,
  channels: list(text({ max: 1024 }), { max: 64 })
})

/** Where streams stand now, so that a new subscription begins there; and how far it was. */
export type RegisterReply = Infer<typeof RegisterReply>
export const RegisterReply = message({
  heads: list(headShape, { max: 8192 }),
  progress: list(progressShape, { max: 4096 })
})

/** How far the subscriptions of a peer have come. */
export const Progress = message({ progress: list(progressShape, { max: 4096 }) })
