import type { AgentDescriptor, Epoch, FindResult, Registration } from '@murmuration/interface'

/** What is known of an agent, besides what was registered. */
export interface Whereabouts {
  readonly location: FindResult
  readonly epoch: Epoch | undefined
  readonly home: readonly string[]
}

/** The descriptor of an agent, every field filled in. */
export function describeAgent(agent: Registration, where: Whereabouts): AgentDescriptor {
  const { id, placement, replicas, shardKey, labels = {}, metadata = {} } = agent
  const placed = { id, placement, replicas, ...(shardKey === undefined ? {} : { shardKey }) }
  return { ...placed, ...where, labels, metadata }
}
