import { ClusterAtCapacityError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import { fits, selectPeerForAgent } from './core/load.ts'
import type { PeerLoad } from './core/load.ts'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import type { AgentComponents } from './index.ts'
import { LoadBoard } from './load-board.ts'
import type { OwnLoad } from './load-board.ts'

/**
 * Looks, before an agent starts here, whether it should: whether this peer has the labels and the
 * room that it needs, and whether a new agent placed by load would be better off elsewhere. If so
 * it is moved by a view, and whoever asked for it follows it there.
 */
export class Placer {
  readonly #components: AgentComponents
  readonly #board: LoadBoard
  readonly #own: OwnLoad

  constructor(components: AgentComponents, own: OwnLoad) {
    this.#components = components
    this.#own = own
    this.#board = new LoadBoard(components, own)
  }

  start(): void {
    this.#board.start()
  }

  stop(): void {
    this.#board.stop()
  }

  /** The peer on which such an agent would be started now. @throws ClusterAtCapacityError */
  async select(type: AgentType, record: AgentRecord): Promise<PeerLoad> {
    const { membership, state } = this.#components
    const preferred = state.placement()?.ownerOf(record)?.peer
    const chosen = selectPeerForAgent(type.needs, await this.#board.loads(), preferred)
    if (chosen !== undefined) return chosen
    const count = membership.view?.members.length ?? 0
    throw new ClusterAtCapacityError(
      `${record.id}: none of ${count} members has the labels and the room that it needs`
    )
  }

  /** Whether the agent may start here as it is. */
  mayStart(type: AgentType, record: AgentRecord): boolean {
    const isNewByLoad = record.placement === 'load' && !this.#components.state.holds(record.id)
    return !isNewByLoad && this.#fitsHere(type)
  }

  /** Resolves when the agent may start here after all, or has been moved. @throws ClusterAtCapacityError */
  async place(type: AgentType, record: AgentRecord): Promise<void> {
    const { rpc, control } = this.#components
    if (record.placement === 'pinned' || control === undefined) {
      if (this.#fitsHere(type)) return
      throw new ClusterAtCapacityError(`${record.id} can run nowhere else, and has no room here`)
    }
    const { peer } = await this.select(type, record)
    if (peer === rpc.peer) return
    const move = [{ peer, keys: [record.shardKey ?? record.id] }]
    // Whoever owns it then is found as after any change of the view.
    await control.propose({ move }, { timeoutMs: defaults.moveTimeoutMs })
  }

  #fitsHere({ needs }: AgentType): boolean {
    const { rpc, membership } = this.#components
    const member = membership.view?.members.find(({ peer }) => peer === rpc.peer)
    return fits(needs, { ...this.#own(), peer: rpc.peer, labels: member?.labels ?? {} })
  }
}
