import { integer, object, oneOf, optional, record, text } from '@murmuration/codec'

/** An agent's id and how it is placed, as messages and records carry it. */
export const placedAgent = object({
  id: text({ max: 512 }),
  shardKey: optional(text({ max: 512 })),
  placement: oneOf('hash', 'pinned', 'load'),
  replicas: integer({ min: 1, max: 7 })
})

/** Labels and routing metadata of an agent. */
export const labelsShape = record(text({ max: 256 }), { max: 32 })

/** A registration in messages and at rest. */
export const registrationShape = object({
  agent: placedAgent,
  labels: labelsShape,
  metadata: labelsShape
})
