import type { AbortOptions } from '@libp2p/interface'
import type { AgentRecord, Epoch, Subscription } from '@murmuration/interface'
import { BranchKeys } from './branch-keys.ts'
import { Catalog } from './catalog.ts'
import type { PeerLoad } from './core/load.ts'
import type { Mutants } from './core/mutants.ts'
import { Session } from './core/session.ts'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import { Echoes } from './echoes.ts'
import { AgentHost } from './host.ts'
import type { AgentComponents, Agents, AgentsInit, RunningAgent, ScheduledTick } from './index.ts'
import { registerMetrics } from './metrics.ts'
import { Recent } from './recent.ts'
import { makeReference } from './reference.ts'
import type { AgentRef, ReferenceParts } from './reference.ts'
import { Router } from './router.ts'
import { Scheduler } from './scheduler.ts'
import { Serving } from './serving.ts'

export class ClusterAgents implements Agents {
  readonly #components: AgentComponents
  readonly #catalog: Catalog
  readonly #host: AgentHost
  readonly #serving: Serving
  readonly #router: Router
  readonly #scheduler: Scheduler
  readonly #parts: ReferenceParts
  #subscriptions: Subscription[] = []
  #isRunning = false

  constructor(components: AgentComponents, init: AgentsInit, mutants: Mutants = {}) {
    this.#components = components
    this.#catalog = new Catalog(init.types)
    this.#host = new AgentHost(components, this.#catalog, init)
    this.#serving = new Serving(components, this.#catalog, this.#host)
    this.#scheduler = new Scheduler(components, {
      catalog: this.#catalog,
      host: this.#host,
      mutants
    })
    const name = Array.from(components.random.bytes(12), (byte) =>
      byte.toString(16).padStart(2, '0')
    )
    const session = new Session(name.join(''))
    this.#router = new Router(components, this.#host, session)
    this.#parts = {
      components,
      host: this.#host,
      router: this.#router,
      session,
      branchKeys: new BranchKeys(components, session),
      echoes: new Echoes(components.clock),
      agreed: new Recent(components.clock, { keptMs: defaults.echoMs, max: defaults.echoesMax }),
      observe: registerMetrics(components.metrics, () => this.#host.size)
    }
  }

  start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#host.start()
    this.#serving.start()
    this.#router.start()
    this.#scheduler.start()
    const { signals } = this.#components
    if (signals === undefined) return
    for (const { type, reactions } of this.#catalog.entries) {
      for (const { pattern, run } of reactions) {
        this.#subscriptions.push(
          signals.subscribe(pattern, (signal) => this.#host.react(type, run, signal))
        )
      }
    }
  }

  stop(): void {
    if (!this.#isRunning) return
    this.#isRunning = false
    for (const subscription of this.#subscriptions) subscription.close()
    this.#subscriptions = []
    this.#scheduler.stop()
    // First what would ask again, then what answers.
    this.#router.stop()
    this.#parts.branchKeys.stop()
    this.#serving.stop()
    this.#host.stop()
  }

  agent<T extends AgentType>(type: T, key: string): AgentRef<T> {
    // The reference is typed by the caller's type; inside, every action is an `AnyAction`.
    return makeReference(this.#parts, type, key) as unknown as AgentRef<T>
  }

  get(id: string): AgentRef<AgentType> {
    const { type, key } = this.#catalog.find(id)
    return makeReference(this.#parts, type, key)
  }

  running(): readonly RunningAgent[] {
    return this.#host.running()
  }

  scheduled(): readonly ScheduledTick[] {
    return this.#scheduler.list()
  }

  selectPeerForAgent(id: string): Promise<PeerLoad> {
    return this.#host.select(id)
  }

  mayMove(id: string, peer: string): boolean {
    return this.#catalog.find(id).type.mayMove(id, peer)
  }

  begin(record: AgentRecord, options: AbortOptions = {}): Promise<Epoch> {
    return this.#host.begin(record, options)
  }

  end(id: string): boolean {
    return this.#host.end(id)
  }

  epochOf(id: string): Epoch | undefined {
    return this.#host.epochOf(id)
  }

  recordOf(id: string): AgentRecord {
    const { type, key } = this.#catalog.find(id)
    return type.record(key)
  }
}
