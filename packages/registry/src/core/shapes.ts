import { integer, list, object, oneOf, optional, record, text } from '@murmuration/codec'
import { defaults } from '../defaults.ts'

/** An agent's id and how it is placed, as messages and records carry it. */
export const placedAgent = object({
  id: text({ max: 512 }),
  shardKey: optional(text({ max: 512 })),
  placement: oneOf('hash', 'pinned', 'load'),
  replicas: integer({ min: 1, max: 7 })
})

/** Labels and routing metadata of an agent. */
export const labelsShape = record(text({ max: 256 }), { max: defaults.labelsMax })

/** A registration in messages and at rest. */
export const registrationShape = object({
  agent: placedAgent,
  labels: labelsShape,
  metadata: labelsShape
})

const peer = text({ max: 256 })

/** An epoch in messages. */
export const epochShape = object({
  view: integer({ min: 0 }),
  boot: integer({ min: 0 }),
  branch: optional(text({ max: 256 }))
})

/** What one side of a split granted by itself. */
export const branchClaimShape = object({
  registration: registrationShape,
  branch: text({ max: 256 }),
  epoch: epochShape,
  /** All members of that side. */
  members: list(peer, { max: 1_024 })
})

/** How one side of a split knew an agent. */
export const mergedSideShape = object({
  peer,
  branch: optional(text({ max: 256 })),
  epoch: optional(epochShape),
  labels: labelsShape,
  metadata: labelsShape
})
