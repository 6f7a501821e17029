import { message } from '@murmuration/codec'
import type { Registration, Store } from '@murmuration/interface'
import { labelsShape, placedAgent } from './core/shapes.ts'

/** A registration at rest. */
export const RegistrationRecord = message({
  agent: placedAgent,
  labels: labelsShape,
  metadata: labelsShape
})

export function encodeRegistration(agent: Registration): Uint8Array {
  const { id, placement, replicas, shardKey, labels = {}, metadata = {} } = agent
  return RegistrationRecord.encode({
    agent: { id, placement, replicas, ...(shardKey === undefined ? {} : { shardKey }) },
    labels: { ...labels },
    metadata: { ...metadata }
  })
}

export function decodeRegistration(bytes: Uint8Array): Registration {
  const { agent, labels, metadata } = RegistrationRecord.decode(bytes)
  return { ...agent, labels, metadata }
}

/** What was registered here: in memory, and on disk where there is one. */
export class RegistrationStore {
  readonly #store: Store | undefined
  readonly #registrations = new Map<string, Registration>()

  constructor(store: Store | undefined) {
    this.#store = store
  }

  /** @throws CorruptDataError, StorageError, MalformedMessageError */
  async load(): Promise<void> {
    for await (const [id, bytes] of this.#store?.entries() ?? []) {
      this.#registrations.set(id, decodeRegistration(bytes))
    }
  }

  get(id: string): Registration | undefined {
    return this.#registrations.get(id)
  }

  async keep(agent: Registration): Promise<void> {
    this.#registrations.set(agent.id, agent)
    await this.#store?.write([{ key: agent.id, value: encodeRegistration(agent) }], { sync: true })
  }

  async forget(id: string): Promise<boolean> {
    const known = this.#registrations.delete(id)
    if (known) await this.#store?.write([{ key: id, value: undefined }], { sync: true })
    return known
  }
}
