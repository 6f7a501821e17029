import { encode } from '@murmuration/codec'
import type { Member, Rpc, Store, View } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { paceOf } from '../src/core/pace.ts'
import { StoredDecision, StoredHead, StoredSelf } from '../src/core/records.ts'
import { standardRules } from '../src/core/rules.ts'
import { MembershipService } from '../src/membership.ts'

/** What one member sent: calls and answers. */
export interface Traffic {
  messages: number
  bytes: number
}

/**
 * A cluster of many members that have been there for long: their stores hold the same view, so that
 * nothing is spent on their coming together. Stores are plain memory: disks are tested elsewhere.
 */
export class WideCluster {
  readonly simulation: Simulation
  readonly names: readonly string[]
  readonly members = new Map<string, MembershipService>()
  readonly traffic = new Map<string, Traffic>()
  /** Different views by number that anybody adopted since the start. */
  readonly views = new Map<number, string>()
  readonly #stored: Uint8Array
  readonly #stores = new Map<string, Store>()

  constructor(seed: number, count: number) {
    this.simulation = createSimulation({ seed, network: { delayMs: [0.2, 4] } })
    this.names = Array.from({ length: count }, (_, index) => nameOf(index))
    this.#stored = StoredDecision.encode({ view: viewOf(this.names), left: [] })
  }

  /** Starts all that hold the first view. */
  async begin(): Promise<void> {
    for (const name of this.names) {
      const store = createMemoryStore()
      await store.sub('membership/').write(
        [
          { key: 'self', value: StoredSelf.encode({ incarnation: `i-${name}`, boot: 1 }) },
          { key: 'head', value: StoredHead.encode({ lineage: 'first#1', settled: 1 }) },
          { key: `view/${'1'.padStart(16, '0')}`, value: this.#stored }
        ],
        { sync: true }
      )
      this.#stores.set(name, store)
      await this.start(name)
    }
  }

  async start(name: string): Promise<void> {
    const store = this.#stores.get(name) ?? createMemoryStore()
    this.#stores.set(name, store)
    const node = this.simulation.node(name)
    const { clock, random, links } = node
    const rpc = this.#counted(name, node.rpc)
    const member = new MembershipService(
      { clock, random, rpc, store, discovery: links },
      {
        cluster: 'wide',
        found: false,
        placement: { slots: 65_536 },
        contacts: () => this.names.slice(0, 8),
        addresses: () => [addressOf(name)],
        labels: labelsOf(name)
      },
      standardRules
    )
    member.addEventListener('view', ({ detail: { view } }) => {
      if (!this.views.has(view.number)) {
        this.views.set(view.number, view.members.map(({ peer }) => peer).join(' '))
      }
    })
    this.members.set(name, member)
    await this.simulation.wait(member.start())
  }

  crash(name: string, machine: boolean): void {
    this.simulation.crash(name, { machine })
    this.members.delete(name)
  }

  /** Whether all that run are in one view of exactly so many members. */
  isOne(count: number): boolean {
    let number: number | undefined
    for (const { view } of this.members.values()) {
      number ??= view?.number
      if (view?.number !== number || view?.members.length !== count) {
        return false
      }
    }
    return true
  }

  resetTraffic(): void {
    for (const traffic of this.traffic.values()) {
      traffic.messages = 0
      traffic.bytes = 0
    }
  }

  #counted(name: string, rpc: Rpc): Rpc {
    const traffic = this.traffic.get(name) ?? { messages: 0, bytes: 0 }
    this.traffic.set(name, traffic)
    const count = (bytes: Uint8Array): void => {
      traffic.messages++
      traffic.bytes += bytes.length
    }
    return {
      peer: rpc.peer,
      start: () => rpc.start(),
      stop: () => rpc.stop(),
      handle: (method, handler, options) => {
        const counted: typeof handler = async (request, context) => {
          const answer = await handler(request, context)
          count(answer)
          return answer
        }
        rpc.handle(method, counted, options)
      },
      handleStream: (method, handler, options) => rpc.handleStream(method, handler, options),
      unhandle: (method) => rpc.unhandle(method),
      call: (peer, method, request, options) => {
        count(request)
        return rpc.call(peer, method, request, options)
      },
      stream: (peer, method, request, options) => rpc.stream(peer, method, request, options)
    }
  }
}

/** As long as a PeerId of an Ed25519 key. */
export function nameOf(index: number): string {
  return `12D3KooW${String(index).padStart(44, 'x')}`
}

function addressOf(name: string): string {
  return `/ip4/10.0.0.1/tcp/4001/p2p/${name}`
}

function labelsOf(name: string): Readonly<Record<string, string>> {
  return { zone: `zone-${Number(name.slice(-2)) % 3}` }
}

function viewOf(names: readonly string[]): View {
  const members = names.map((peer): Member => {
    const labels = labelsOf(peer)
    const addresses = [addressOf(peer)]
    const protocols = { lowest: 1, highest: 1 }
    return { peer, incarnation: `i-${peer}`, addresses, labels, weight: 100, since: 1, protocols }
  })
  return {
    cluster: 'wide',
    number: 1,
    members,
    tieBreaker: names[0] ?? '',
    placement: { hash: 'sha256-hrw-1', slots: 65_536, zoneLabel: 'zone' },
    leaseMs: paceOf(names.length).leaseMs,
    protocols: { lowest: 1, highest: 1 }
  }
}

/** The size of a whole view, which no message of a running cluster should have. */
export function viewBytes(names: readonly string[]): number {
  return encode(viewOf(names)).length
}
