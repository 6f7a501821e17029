import type { AbortOptions } from '@libp2p/interface'
import { parseAgentId } from '@murmuration/identity'
import { UnknownAgentError } from '@murmuration/interface'
import type { AgentRecord, Epoch, Subscription } from '@murmuration/interface'
import type { AgentType } from './define.ts'
import { AgentHost } from './host.ts'
import type { AgentComponents, Agents, AgentsInit, RunningAgent } from './index.ts'
import { makeReference } from './reference.ts'
import type { AgentRef, ReferenceParts } from './reference.ts'
import { Router } from './router.ts'
import { Session } from './session.ts'

export class ClusterAgents implements Agents {
  readonly #components: AgentComponents
  readonly #types: readonly AgentType[]
  readonly #host: AgentHost
  readonly #router: Router
  readonly #parts: ReferenceParts
  #subscriptions: Subscription[] = []

  constructor(components: AgentComponents, init: AgentsInit) {
    this.#components = components
    this.#types = init.types
    this.#host = new AgentHost(components, init)
    const name = Array.from(components.random.bytes(12), (byte) =>
      byte.toString(16).padStart(2, '0')
    )
    const session = new Session(name.join(''))
    this.#router = new Router(components, this.#host, session)
    this.#parts = { components, router: this.#router, session, echoes: new Map() }
  }

  start(): void {
    this.#host.start()
    this.#router.start()
    const { signals } = this.#components
    if (signals === undefined) return
    this.#subscriptions = this.#types.flatMap((type) =>
      Object.entries(type.on).map(([pattern, reaction]) =>
        signals.subscribe(pattern, (signal) => this.#host.react(type, reaction, signal))
      )
    )
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.close()
    this.#subscriptions = []
    this.#router.stop()
    this.#host.stop()
  }

  agent<T extends AgentType>(type: T, key: string): AgentRef<T> {
    // The reference is typed by the caller's type; inside, every action is an `AnyAction`.
    return makeReference(this.#parts, type, key) as unknown as AgentRef<T>
  }

  get(id: string): AgentRef<AgentType> {
    const { type, key } = this.#typeOf(id)
    return makeReference(this.#parts, type, key)
  }

  running(): readonly RunningAgent[] {
    return this.#host.running()
  }

  async begin(record: AgentRecord, options: AbortOptions = {}): Promise<Epoch> {
    const activation = await this.#host.activate(record, options)
    return activation.owned.epoch
  }

  end(id: string): boolean {
    return this.#host.end(id)
  }

  epochOf(id: string): Epoch | undefined {
    return this.#host.epochOf(id)
  }

  recordOf(id: string): AgentRecord {
    const { type, key } = this.#typeOf(id)
    return type.record(key)
  }

  #typeOf(id: string): { readonly type: AgentType; readonly key: string } {
    const { namespace, type: name, key } = parseAgentId(id)
    const type = this.#types.find((each) => each.type === name && each.namespace === namespace)
    if (type === undefined)
      throw new UnknownAgentError(`this peer does not define ${namespace}/${name}`)
    return { type, key }
  }
}
