import { counter, map, set } from '@murmuration/crdt'
import type { AgentRecord, IdempotencyKey, Random, View } from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import type { OwnedDocument, State } from '../src/index.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { StateService } from '../src/state.ts'
import type { StreamLimits } from '../src/streams.ts'
import { breaking } from './breaking-streams.ts'
import type { Break } from './breaking-streams.ts'
import { FakeMembership, Views } from './fake-membership.ts'
import type { Adopted } from './fake-membership.ts'

export const schema = {
  hits: map(counter()),
  total: counter(),
  tags: set<string>(),
  tally: counter()
}

export type Update =
  | { readonly kind: 'count'; readonly by: number }
  | { readonly kind: 'add' }
  /** Leaves nothing that lives but a digit of a sum: see {@link tallied}. */
  | { readonly kind: 'tally'; readonly digit: number }
  | { readonly kind: 'remove'; readonly tag: string }

export interface Request {
  readonly id: string
  readonly session: string
  readonly sequence: number
  readonly lowest: number
  readonly update: Update
  /** What the client knows of the sessions that the owner has forgotten. */
  readonly since?: readonly number[]
  /** Without a key, and sent only once. */
  readonly isKeyless?: boolean
  /** Tells what a client has sent from what the network brings twice. */
  readonly attempt?: number
}

export type Reply =
  | { readonly status: 'ok'; readonly result: string }
  | { readonly status: 'expired' }
  | { readonly status: 'unknown'; readonly since: readonly number[] }
  | { readonly status: 'failed'; readonly name: string }

/** Digits of a sum to base 4: how often each update of this kind counted. */
export const DIGITS_MAX = 26

export function tallied(sum: number): number[] {
  return Array.from({ length: DIGITS_MAX }, (_, digit) => Math.floor(sum / 4 ** digit) % 4)
}

/** One of several, of which there must be one. */
export function pick<T>(random: Random, from: readonly T[]): T {
  if (from.length === 0) {
    throw new Error('nothing to pick from')
  }
  return from[Math.floor(random.next() * from.length)]!
}

const utf8 = new TextEncoder()
const text = new TextDecoder()

function keyOf({ session, sequence, lowest, since = [] }: Request): IdempotencyKey {
  return { session, sequence, lowest, since }
}

function hasUpdate(state: StateService, name: string, { id, update }: History): boolean {
  const value = state.held(id)?.copy.live.value(schema)
  if (update.kind === 'tally') return tallied(value?.tally ?? 0)[update.digit] !== 0
  return (value?.hits[name] ?? 0) > 0
}

export function recordOf(id: string): AgentRecord {
  return { id, placement: id.startsWith('test/pinned/') ? 'pinned' : 'hash', replicas: 3 }
}

export interface Peer {
  readonly name: string
  readonly disk: Adopted
  membership: FakeMembership | undefined
  state: StateService | undefined
}

/** What happened under one key, as seen from outside. */
export interface History {
  readonly id: string
  readonly update: Update
  /** Results of executions, by the owners that did them. */
  readonly executions: Set<string>
  /** The result that the client was told. */
  acknowledged: string | undefined
  /** The highest view under which an owner acknowledged it. */
  acknowledgedIn: number
}

/** Peers with the real service over a simulated network and disks, and an agreed list of views. */
export class World {
  readonly simulation: Simulation
  readonly random: Random
  readonly views = new Views()
  readonly peers: Peer[]
  readonly histories = new Map<string, History>()
  readonly violations: string[] = []
  readonly #mutants: Mutants
  #executions = 0
  readonly #keyless = new Set<string>()
  #attempts = 0
  readonly #served = new Set<number>()
  /** The network brings a request once, as a stream does: what was refused is not done later. */
  isOnce = false
  /** Names of owners that a document may keep. */
  collectNames = 16
  /** Sessions that a document remembers. */
  sessionsMax = 4096
  /** Between two comparisons of a peer with the owners. */
  compareMs = 800
  /** An owner has just executed an update and not told anybody yet. */
  onExecute: (peer: Peer) => void = () => {}
  /** An owner has just decided that an update has its copies. */
  onAcknowledge: (peer: Peer, id: string) => void = () => {}
  /** Each view moves a document to one of its members, in its home set or not. */
  moving = false
  /** Small messages, so that copies come as streams, and large ones in pieces. */
  streams: StreamLimits | undefined
  /** What happens to a stream of copies after each of its items. */
  onItem: (receiver: string, source: string) => Break = () => 'none'
  /** Peers that hear of views only from each other. */
  readonly deaf = new Set<string>()
  /** Longest time until a peer hears of a view or of settling. */
  newsMs = 60

  constructor(simulation: Simulation, count: number, mutants: Mutants = {}) {
    this.simulation = simulation
    this.random = simulation.random
    this.#mutants = mutants
    this.peers = Array.from({ length: count }, (_, at) => ({
      name: `p${at}`,
      disk: { incarnation: `p${at}i0`, boot: 0, view: 0, settled: 1, settledHeard: 1 },
      membership: undefined,
      state: undefined
    }))
    this.views.onSettled(() => {
      const { settled } = this.views
      simulation.log(`view ${settled} is settled`)
      this.#tell((peer) => peer.membership?.learnSettled(settled))
    })
  }

  static async of(
    count: number,
    init: {
      seed?: number
      mutants?: Mutants
      members?: number
      trace?: boolean
      collectNames?: number
      sessionsMax?: number
      streams?: StreamLimits
    } = {}
  ): Promise<World> {
    const { seed = 1, trace = false } = init
    const world = new World(createSimulation({ seed, trace }), count, init.mutants)
    world.collectNames = init.collectNames ?? world.collectNames
    world.sessionsMax = init.sessionsMax ?? world.sessionsMax
    world.streams = init.streams
    world.newView(world.peers.slice(0, init.members ?? count))
    for (const peer of world.peers) {
      await world.simulation.wait(world.start(peer))
    }
    await world.simulation.run(200)
    return world
  }

  peer(name: string): Peer {
    const peer = this.peers.find((one) => one.name === name)
    if (peer === undefined) {
      throw new Error(`no peer ${name}`)
    }
    return peer
  }

  newView(members: readonly Peer[], moved?: View['moved']): void {
    const random = (): View['moved'] =>
      this.moving ? [{ peer: pick(this.random, members).name, keys: ['test/doc/a'] }] : []
    const view = this.views.add(
      members.map((peer) => ({ peer: peer.name, incarnation: peer.disk.incarnation })),
      moved ?? random()
    )
    this.simulation.log(
      `view ${view.number}: ${view.members.map((member) => member.incarnation).join(' ')}`
    )
    this.#tell((peer) => peer.membership?.learn(view.number))
  }

  async start(peer: Peer): Promise<void> {
    const node = this.simulation.node(peer.name)
    peer.disk.boot++
    const membership = new FakeMembership({
      peer: peer.name,
      views: this.views,
      disk: peer.disk,
      clock: node.clock
    })
    const state = new StateService(
      {
        rpc: breaking(node.rpc, (source) => this.onItem(peer.name, source)),
        membership,
        store: node.store,
        clock: node.clock,
        random: node.random
      },
      {
        ownTimeoutMs: 400,
        commitTimeoutMs: 400,
        requestTimeoutMs: 150,
        compareMs: this.compareMs,
        foldIdleMs: 120,
        foldEntries: 4,
        collectNames: this.collectNames,
        sessionsMax: this.sessionsMax
      },
      this.#mutants,
      this.streams
    )
    node.rpc.handle('test.update', async (bytes) => {
      // Sent by the clients below.
      const request = JSON.parse(text.decode(bytes)) as Request
      return utf8.encode(JSON.stringify(await this.#serve(peer.name, state, request)))
    })
    state.addEventListener('tenure', ({ detail: { id, status } }) => {
      if (status === 'begun') {
        this.#checkTenure(peer, state, id)
      }
    })
    peer.membership = membership
    peer.state = state
    const { number = 0 } = this.views.newest ?? {}
    node.clock.schedule(this.#newsDelay(), () => {
      membership.learn(number)
      membership.learnSettled(this.views.settled)
    })
    await state.start()
  }

  crash(peer: Peer, options: { readonly wipe: boolean }): void {
    this.simulation.crash(peer.name)
    peer.membership = undefined
    peer.state = undefined
    if (options.wipe) {
      this.simulation.wipe(peer.name)
      const life = Number(peer.disk.incarnation.split('i')[1]) + 1
      Object.assign(peer.disk, {
        incarnation: `${peer.name}i${life}`,
        boot: 0,
        view: 0,
        settled: 1,
        settledHeard: 1
      })
    }
  }

  /** Cuts a peer off from all other peers, not from clients. */
  isolate(peer: Peer, others: readonly Peer[] = this.peers): void {
    for (const other of others.filter((one) => one !== peer)) {
      this.simulation.block(peer.name, other.name)
      this.simulation.block(other.name, peer.name)
    }
  }

  /** Incarnations of the home set of a document in a view. */
  homeOf(id: string, number: number): string[] {
    const view = this.views.all[number - 1]
    return view === undefined
      ? []
      : createPlacement(view)
          .homeOf(recordOf(id))
          .map((member) => member.incarnation)
  }

  ownerOf(id: string): Peer | undefined {
    const view = this.views.newest
    const owner = view && createPlacement(view).ownerOf(recordOf(id))
    return owner && this.peer(owner.peer)
  }

  /** A request that the oracle knows of. */
  note({ id, session, sequence, update }: Request): void {
    const name = `${session}:${sequence}`
    if (!this.histories.has(name)) {
      this.histories.set(name, {
        id,
        update,
        executions: new Set(),
        acknowledged: undefined,
        acknowledgedIn: 0
      })
    }
  }

  /** One request of a client, over the network. */
  async request(client: string, peer: string, request: Request): Promise<Reply> {
    this.note(request)
    const { rpc } = this.simulation.node(client)
    const sent: Request = { ...request, attempt: ++this.#attempts }
    const bytes = await rpc.call(peer, 'test.update', utf8.encode(JSON.stringify(sent)), {
      timeoutMs: 250
    })
    // Made by `#serve`.
    return JSON.parse(text.decode(bytes)) as Reply
  }

  async #serve(peer: string, state: State, request: Request): Promise<Reply> {
    const { id, session, sequence, update, attempt = 0 } = request
    try {
      if (this.isOnce && this.#served.has(attempt)) throw new Error('it came before')
      this.#served.add(attempt)
      const owned = await state.own(recordOf(id))
      const key = keyOf(request)
      if (request.isKeyless === true) {
        // The network may bring it twice.
        if (this.#keyless.has(`${session}:${sequence}`)) throw new Error('it was executed')
        this.#keyless.add(`${session}:${sequence}`)
      } else {
        const known = await this.#known(peer, owned, request)
        if (known !== undefined) return known
      }
      const { draft, operations } = owned.document.draft(schema)
      const name = `${session}:${sequence}`
      let effect = 'done'
      if (update.kind === 'tally') {
        draft.tally.increment(4 ** update.digit)
      } else {
        draft.hits.get(name).increment()
        draft.total.increment(update.kind === 'count' ? update.by : 1)
      }
      if (update.kind === 'add') {
        draft.tags.add(name)
      } else if (update.kind === 'remove') {
        effect = draft.tags.has(update.tag) ? 'removed' : 'absent'
        draft.tags.remove(update.tag)
      }
      const result = `${effect} ${++this.#executions}`
      this.histories.get(name)?.executions.add(result)
      this.simulation.log(`${peer} executes ${name} of ${id}: ${update.kind} ${result}`)
      const committing = owned.commit(operations, {
        ...(request.isKeyless === true ? {} : { key }),
        result: utf8.encode(result)
      })
      this.onExecute(this.peer(peer))
      const commit = await committing
      this.#checkAcknowledged(request, commit.epoch.view)
      this.onAcknowledge(this.peer(peer), id)
      return { status: 'ok', result: text.decode(commit.result) }
    } catch (error) {
      return { status: 'failed', name: error instanceof Error ? error.name : String(error) }
    }
  }

  /** The answer to a key that was executed before. */
  async #known(peer: string, owned: OwnedDocument, request: Request): Promise<Reply | undefined> {
    const found = owned.lookup(keyOf(request))
    if (found.status === 'expired' || found.status === 'unknown') return found
    if (found.status === 'new') {
      return undefined
    }
    const commit = await found.commit
    this.#checkAcknowledged(request, commit.epoch.view)
    this.onAcknowledge(this.peer(peer), request.id)
    return { status: 'ok', result: text.decode(commit.result) }
  }

  /** Whoever begins to serve has everything that an owner of an earlier view acknowledged. */
  #checkTenure(peer: Peer, state: StateService, id: string): void {
    const number = peer.membership?.view?.number ?? 0
    this.simulation.log(`${peer.name} serves ${id} in view ${number}`)
    for (const [name, history] of this.histories) {
      const { acknowledgedIn } = history
      const isDue = history.id === id && acknowledgedIn > 0 && acknowledgedIn <= number
      if (isDue && !hasUpdate(state, name, history)) {
        this.#violated(`${peer.name} serves ${id} in view ${number} without ${name}`)
      }
    }
  }

  /** Nobody acknowledges what the owner of a later view has not got. */
  #checkAcknowledged({ id, session, sequence }: Request, number: number): void {
    const name = `${session}:${sequence}`
    const history = this.histories.get(name)
    if (history !== undefined) {
      history.acknowledgedIn = Math.max(history.acknowledgedIn, number)
    }
    for (const peer of this.peers) {
      const state = peer.state
      const tenure = state?.held(id)?.tenure
      if (state !== undefined && tenure !== undefined && tenure.epoch.view > number) {
        if (history !== undefined && !hasUpdate(state, name, history)) {
          this.#violated(
            `${name} was acknowledged in view ${number}, ${peer.name} serves view ${tenure.epoch.view} without it`
          )
        }
      }
    }
  }

  /** Every copy keeps the result that the client was told. */
  checkResult(peer: Peer, name: string): void {
    const history = this.histories.get(name)
    const [session, sequence] = name.split(':')
    const entry = peer.state?.held(history?.id ?? '')?.copy.get(`${sequence}/${session}`)
    if (history?.acknowledged !== undefined && entry !== undefined) {
      const kept = text.decode(entry.result)
      if (kept !== history.acknowledged) {
        this.#violated(`${name}: told ${history.acknowledged}, ${peer.name} keeps ${kept}`)
      }
    }
  }

  #violated(what: string): void {
    this.simulation.log(`!! ${what}`)
    this.violations.push(what)
  }

  #newsDelay(): number {
    return this.random.next() * this.newsMs
  }

  #tell(news: (peer: Peer) => void): void {
    for (const peer of this.peers) {
      const process = peer.membership
      this.simulation.after(this.#newsDelay(), () => {
        // A paused process hears nothing; it learns of views from whoever talks to it, or below.
        if (
          this.simulation.isRunning(peer.name) &&
          peer.membership === process &&
          !this.deaf.has(peer.name)
        ) {
          this.simulation.node(peer.name).clock.schedule(0, () => news(peer))
        }
      })
    }
  }
}
