import { integer, float, message, record } from '@murmuration/codec'
import type { PeerLoad } from './core/load.ts'
import { defaults } from './defaults.ts'
import type { AgentComponents } from './index.ts'

const LOAD = 'agent.load'

const LoadRequest = message({})
const LoadReply = message({
  cpu: float(),
  memory: float(),
  lagMs: float(),
  agents: integer({ min: 0 }),
  agentsMax: integer({ min: 1 }),
  free: record(float(), { max: 64 })
})

/** What the own peer says of itself; labels come from the view. */
export type OwnLoad = () => Omit<PeerLoad, 'peer' | 'labels'>

/** What the members say of their load: asked when somebody needs it, and remembered for a moment. */
export class LoadBoard {
  readonly #components: AgentComponents
  readonly #own: OwnLoad
  #loads: Promise<readonly PeerLoad[]> | undefined
  #untilMs = 0

  constructor(components: AgentComponents, own: OwnLoad) {
    this.#components = components
    this.#own = own
  }

  start(): void {
    this.#components.rpc.handle(LOAD, () => LoadReply.encode({ ...this.#own() }))
  }

  stop(): void {
    this.#components.rpc.unhandle(LOAD)
  }

  /** The loads of the members that answered; who is silent is left out. */
  loads(): Promise<readonly PeerLoad[]> {
    const now = this.#components.clock.monotonic()
    if (this.#loads === undefined || now >= this.#untilMs) {
      this.#untilMs = now + defaults.loadCacheMs
      this.#loads = this.#ask()
    }
    return this.#loads
  }

  async #ask(): Promise<readonly PeerLoad[]> {
    const { rpc, membership } = this.#components
    const members = membership.view?.members ?? []
    const answers = await Promise.all(
      members.map(async ({ peer, labels }): Promise<PeerLoad | undefined> => {
        if (peer === rpc.peer) return { ...this.#own(), peer, labels }
        try {
          const bytes = await rpc.call(peer, LOAD, LoadRequest.encode({}), {
            timeoutMs: defaults.loadTimeoutMs
          })
          return { ...LoadReply.decode(bytes), peer, labels }
        } catch {
          // A peer that does not say how it is gets no agents.
          return undefined
        }
      })
    )
    return answers.filter((load) => load !== undefined)
  }
}
