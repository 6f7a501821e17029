import { message } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import type { Registration, Store } from '@murmuration/interface'
import { registrationShape } from './core/shapes.ts'

const RegistrationRecord = message({ registration: registrationShape })

export function registrationToWire(agent: Registration): Infer<typeof registrationShape> {
  const { id, placement, replicas, shardKey, labels = {}, metadata = {} } = agent
  return {
    agent: { id, placement, replicas, ...(shardKey === undefined ? {} : { shardKey }) },
    labels: { ...labels },
    metadata: { ...metadata }
  }
}

export function registrationOf(wire: Infer<typeof registrationShape>): Registration {
  return { ...wire.agent, labels: wire.labels, metadata: wire.metadata }
}

/** The registration in a register, where there is one that this version can read. */
export function registrationIn(value: unknown): Registration | undefined {
  if (value === undefined) return undefined
  try {
    return registrationOf(registrationShape.read(value))
  } catch {
    // Written by a later version: the claim stands, what it says of the agent does not show.
    return undefined
  }
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
      this.#registrations.set(id, registrationOf(RegistrationRecord.decode(bytes).registration))
    }
  }

  get(id: string): Registration | undefined {
    return this.#registrations.get(id)
  }

  async keep(agent: Registration): Promise<void> {
    this.#registrations.set(agent.id, agent)
    const value = RegistrationRecord.encode({ registration: registrationToWire(agent) })
    await this.#store?.write([{ key: agent.id, value }], { sync: true })
  }

  async forget(id: string): Promise<boolean> {
    const known = this.#registrations.delete(id)
    if (known) await this.#store?.write([{ key: id, value: undefined }], { sync: true })
    return known
  }
}
