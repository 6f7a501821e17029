import { TypedEventEmitter } from 'main-event'
import { UnavailableError } from '@murmuration/interface'
import type {
  AgentRecord,
  Epoch,
  Membership,
  MembershipEvents,
  Registry,
  Rpc,
  RpcHandler,
  View
} from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { createRegistry } from '@murmuration/registry'
import type { Tenure } from '@murmuration/registry'

export const peers = ['a', 'b', 'c']
export const view: View = {
  cluster: 'test',
  number: 7,
  members: peers.map((peer) => ({
    peer,
    incarnation: 'i',
    addresses: [],
    labels: {},
    weight: 100,
    since: 1
  })),
  tieBreaker: 'a',
  placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
}
export const placement = createPlacement(view)

/** Handlers of all peers; a peer in `silent` does not answer. */
export class Network {
  readonly handlers = new Map<string, Map<string, RpcHandler>>()
  readonly silent = new Set<string>()
  questions = 0

  rpcOf(peer: string): Rpc {
    const own = new Map<string, RpcHandler>()
    this.handlers.set(peer, own)
    return {
      peer,
      start: () => undefined,
      stop: () => undefined,
      handle: (method, handler) => void own.set(method, handler),
      unhandle: (method) => void own.delete(method),
      handleStream: () => undefined,
      stream: () => {
        throw new Error('no streams here')
      },
      call: async (to, method, request) => {
        this.questions++
        if (this.silent.has(to)) throw new UnavailableError(`${to} is silent`)
        const handler = this.handlers.get(to)?.get(method)
        if (handler === undefined) throw new UnavailableError(`${to} has no ${method}`)
        const context = { peer, signal: new AbortController().signal, remainingMs: 1_000 }
        return handler(request, context)
      }
    }
  }
}

export class Agents implements Tenure {
  readonly epochs = new Map<string, Epoch>()
  refusal: Error | undefined
  /** Who has the agents that are on their way here. */
  from: string | undefined
  async begin(agent: AgentRecord): Promise<Epoch> {
    if (this.refusal !== undefined) throw this.refusal
    const epoch = { view: view.number, boot: 1 }
    this.epochs.set(agent.id, epoch)
    return epoch
  }
  async end(id: string): Promise<boolean> {
    return this.epochs.delete(id)
  }
  running(id: string): Epoch | undefined {
    return this.epochs.get(id)
  }
  movingFrom(): string | undefined {
    return this.from
  }
  held(id: string): boolean {
    return this.epochs.has(id)
  }
}

export const membership = Object.assign(new TypedEventEmitter<MembershipEvents>(), {
  view
}) as unknown as Membership // only these are used

/** The registry of one peer of a fake cluster, started. */
export async function startRegistry(
  network: Network,
  peer: string,
  tenure: Tenure,
  recordOf?: (id: string) => AgentRecord
): Promise<Registry> {
  const clock = { now: () => 0, monotonic: () => 0, schedule: () => () => undefined }
  const parts = { rpc: network.rpcOf(peer), membership, tenure, clock }
  const registry = createRegistry(
    { ...parts, placement: () => placement },
    recordOf === undefined ? {} : { recordOf }
  )
  await registry.start()
  return registry
}
