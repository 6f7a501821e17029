import { TypedEventEmitter } from 'main-event'
import type { AbortOptions } from '@libp2p/interface'
import { createDocument } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import {
  AbortedError,
  ConnectionLostError,
  DeadlineExceededError,
  InvalidParametersError,
  MurmurationError,
  NotOwnerError,
  OutcomeUnknownError,
  PeerUnavailableError,
  RemoteHandlerError,
  UnknownMethodError
} from '@murmuration/interface'
import type {
  AgentRecord,
  Clock,
  IdempotencyKey,
  Membership,
  MembershipEvents,
  Operation,
  Partition,
  PartitionEvents,
  PartitionPolicy,
  SplitDecision,
  Rpc,
  RpcHandler,
  RpcStreamHandler,
  Signal,
  SignalEvents,
  SignalHandler,
  SignalInput,
  Signals,
  View
} from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import type {
  Commit,
  CommitOptions,
  Lookup,
  OwnedDocument,
  State,
  StateEvents
} from '@murmuration/state'
import { includesVersion, refuseForgotten } from '@murmuration/state'
import { createAgents } from '@murmuration/agent'
import type { AgentComponents, Agents, AgentsInit } from '@murmuration/agent'

/** Lets everything happen that needs no time. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Time that passes only in `advance`. */
export class VirtualClock implements Clock {
  #now = 0
  #last = 0
  /** Milliseconds that go by with each look, as between two lines of a program. */
  perLookMs = 0
  readonly #timers = new Map<number, { at: number; task: () => void }>()
  now(): number {
    return 1_700_000_000_000 + Math.floor(this.#now)
  }
  monotonic(): number {
    this.#now += this.perLookMs
    return this.#now
  }
  schedule(delayMs: number, task: () => void): () => void {
    const id = ++this.#last
    this.#timers.set(id, { at: this.#now + Math.max(0, delayMs), task })
    return () => void this.#timers.delete(id)
  }
  get pending(): number {
    return this.#timers.size
  }
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      const due = [...this.#timers].filter(([, { at }]) => at <= end)
      const next = due.toSorted(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (next === undefined) break
      this.#timers.delete(next[0])
      this.#now = next[1].at
      next[1].task()
    }
    this.#now = end
  }
}

/** A pseudo-random sequence (mulberry32). */
function randomOf(seed: number): { next(): number; bytes(length: number): Uint8Array } {
  let a = seed
  const next = (): number => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (length) => Uint8Array.from({ length }, () => next() * 256) }
}

export function viewOf(number: number, peers: readonly string[]): View {
  return {
    cluster: 'test',
    number,
    members: peers.map((peer) => ({
      peer,
      incarnation: 'i',
      addresses: [],
      labels: {},
      weight: 100,
      since: 1
    })),
    tieBreaker: peers[0] ?? '',
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
  }
}

/** What all replicas agree on: one document of each agent, and its keys. */
interface Stored {
  readonly document: Document
  readonly keys: Map<string, Commit>
  readonly floors: Map<string, number>
  /** Sessions that were opened since some were forgotten, how often. */
  readonly opened: Set<string>
  forgotten: readonly number[]
}

/** Peers in one process: real documents, and a network whose messages take one millisecond. */
export class FakeCluster {
  readonly clock = new VirtualClock()
  readonly peers = new Map<string, FakePeer>()
  readonly stored = new Map<string, Stored>()
  readonly records = new Map<string, AgentRecord>()
  readonly killed = new Set<string>()
  readonly frozen = new Map<string, (() => void)[]>()
  readonly lost: ((error: Error) => void)[] = []
  readonly published: SignalInput[] = []
  readonly log: string[] = []
  view: View
  /** Milliseconds until a commit has its copies; `Infinity` for never. */
  copiesMs = 1
  /** Messages that were sent: `from>to method`. */
  readonly sent: string[] = []

  constructor(peers: readonly string[], init: AgentsInit, extra: readonly string[] = []) {
    this.view = viewOf(1, peers)
    for (const peer of [...peers, ...extra]) this.peers.set(peer, new FakePeer(this, peer, init))
  }

  on(peer: string): FakePeer {
    const found = this.peers.get(peer)
    if (found === undefined) throw new Error(`no peer ${peer}`)
    return found
  }

  ownerOf(record: AgentRecord): FakePeer {
    return this.on(createPlacement(this.view).ownerOf(record)?.peer ?? '')
  }

  othersThan(peer: FakePeer): FakePeer[] {
    return [...this.peers.values()].filter((other) => other !== peer)
  }

  /** The cluster agrees on a view; these peers learn of it now. */
  decide(peers: readonly string[], learn: readonly string[] = peers): void {
    this.view = viewOf(this.view.number + 1, peers)
    for (const peer of learn) this.on(peer).adopt(this.view)
  }

  /** The process dies: its sockets close. */
  kill(peer: string): void {
    this.killed.add(peer)
    for (const end of this.on(peer).inbound) end(new ConnectionLostError(`${peer} died`))
  }

  /** The process stops for a while: its sockets stay open, and what is sent to it waits. */
  freeze(peer: string): void {
    this.frozen.set(peer, [])
  }

  thaw(peer: string): void {
    const held = this.frozen.get(peer) ?? []
    this.frozen.delete(peer)
    for (const deliver of held) deliver()
  }

  /** Delivers after a millisecond, or when the peer wakes up. */
  deliver(to: string, task: () => void): void {
    this.clock.schedule(1, () => {
      const held = this.frozen.get(to)
      if (held === undefined) task()
      else held.push(task)
    })
  }

  /** As an owner does that has too many. */
  forgetSessions(id: string): void {
    const stored = this.storedOf(id)
    for (const known of [stored.keys, stored.floors, stored.opened]) known.clear()
    stored.forgotten = [1, 1, (stored.forgotten[2] ?? 0) + 1]
  }

  storedOf(id: string): Stored {
    let stored = this.stored.get(id)
    if (stored === undefined) {
      stored = {
        document: createDocument(),
        keys: new Map(),
        floors: new Map(),
        opened: new Set(),
        forgotten: []
      }
      this.stored.set(id, stored)
    }
    return stored
  }

  stop(): void {
    for (const peer of this.peers.values()) void peer.agents.stop()
  }
}

/** Lets the peer of a test be paused, and counts what its metrics are told. */
class FakePartition extends TypedEventEmitter<PartitionEvents> implements Partition {
  status = 'whole' as const
  paused = false
  start(): void {}
  stop(): void {}
  kind = 'whole' as const
  reasons = []
  verdict(policy?: PartitionPolicy): 'run' | 'pause' {
    return this.decide(policy).verdict
  }
  decide(policy: PartitionPolicy = 'pause-minority'): SplitDecision {
    const pauses = this.paused && policy === 'pause-minority'
    return { verdict: pauses ? 'pause' : 'run', reason: pauses ? 'no majority' : 'a majority' }
  }
  simulate(): [] {
    return []
  }
  set(paused: boolean): void {
    this.paused = paused
    this.safeDispatchEvent('status', {
      detail: { previous: 'whole', status: paused ? 'minority' : 'whole', unreachable: [] }
    })
  }
}

const unused = (): never => {
  throw new Error('not used')
}

export class FakeSignals implements Signals {
  readonly #cluster: FakeCluster
  readonly subscriptions: { pattern: string; handler: SignalHandler }[] = []
  constructor(cluster: FakeCluster) {
    this.#cluster = cluster
  }
  start(): void {}
  stop(): void {}
  async publish(signal: SignalInput): ReturnType<Signals['publish']> {
    this.#cluster.published.push(signal)
    return { id: '1', accepted: true, recipients: [], dropped: [] }
  }
  subscribe(pattern: string, handler: SignalHandler): ReturnType<Signals['subscribe']> {
    const subscription = { pattern, handler }
    this.subscriptions.push(subscription)
    const close = (): void => {
      this.subscriptions.splice(this.subscriptions.indexOf(subscription), 1)
    }
    return { pattern, dropped: 0, close }
  }
  readonly iterate = unused
  readonly subscribeDurably = unused
  readonly replay = unused
  readonly snapshot = unused
  readonly causes = unused
  readonly effects = unused
  readonly deadLetters = { list: unused, redrive: unused, discard: unused }
  readonly events = new TypedEventEmitter<SignalEvents>()
  /** As the bus would: each subscription whose pattern matches gets it once. */
  bring(signal: Signal, matches: (pattern: string) => boolean): void {
    for (const { pattern, handler } of this.subscriptions) {
      if (matches(pattern)) void handler(signal, { author: 'x' })
    }
  }
}

export class FakePeer {
  readonly name: string
  readonly agents: Agents
  readonly partition = new FakePartition()
  readonly signals: FakeSignals
  readonly membership: Membership
  readonly inbound = new Set<(error: Error) => void>()
  readonly counts = new Map<string, number>()
  readonly components: AgentComponents
  readonly rpc: FakeRpc
  readonly state: FakeState
  #view: View

  constructor(cluster: FakeCluster, name: string, init: AgentsInit) {
    this.name = name
    this.#view = cluster.view
    this.signals = new FakeSignals(cluster)
    this.membership = Object.assign(new TypedEventEmitter<MembershipEvents>(), {
      catchUp: async (number: number) => {
        await new Promise<void>((resolve) => void cluster.clock.schedule(1, resolve))
        if (number > this.#view.number) this.adopt(cluster.view)
        return this.#view
      }
    }) as unknown as Membership // only these are used
    Object.defineProperty(this.membership, 'view', { get: () => this.#view })
    this.rpc = new FakeRpc(cluster, this)
    this.state = new FakeState(cluster, this)
    const count = (label: string, by = 1): void =>
      void this.counts.set(label, (this.counts.get(label) ?? 0) + by)
    const metrics = {
      registerMetric: (gauge: string, { calculate }: { calculate: () => number }) =>
        this.gauges.set(gauge, calculate),
      registerCounterGroup: () => ({
        increment: (labels: Record<string, number>) => {
          for (const label of Object.keys(labels)) count(label)
        }
      }),
      registerHistogram: () => ({ observe: (seconds: number) => this.seconds.push(seconds) })
    }
    this.components = {
      rpc: this.rpc,
      membership: this.membership,
      state: this.state,
      clock: cluster.clock,
      random: randomOf(name.length + name.charCodeAt(0)),
      signals: this.signals,
      partition: this.partition,
      metrics: metrics as unknown as NonNullable<AgentComponents['metrics']>, // only these are used
      log: (line) => void cluster.log.push(line)
    }
    this.agents = createAgents(this.components, init)
    void this.agents.start()
  }

  readonly gauges = new Map<string, () => number>()
  readonly seconds: number[] = []

  get view(): View {
    return this.#view
  }

  adopt(view: View): void {
    const previous = this.#view
    this.#view = view
    this.state.endLost()
    this.membership.dispatchEvent(new CustomEvent('view', { detail: { previous, view } }))
  }
}

class FakeRpc implements Rpc {
  readonly peer: string
  readonly #cluster: FakeCluster
  readonly #self: FakePeer
  readonly handlers = new Map<string, RpcHandler>()
  readonly streams = new Map<string, RpcStreamHandler>()

  constructor(cluster: FakeCluster, self: FakePeer) {
    this.#cluster = cluster
    this.#self = self
    this.peer = self.name
  }
  start(): void {}
  stop(): void {}
  handle(method: string, handler: RpcHandler): void {
    this.handlers.set(method, handler)
  }
  handleStream(method: string, handler: RpcStreamHandler): void {
    this.streams.set(method, handler)
  }
  unhandle(method: string): void {
    this.handlers.delete(method)
    this.streams.delete(method)
  }

  async call(
    to: string,
    method: string,
    request: Uint8Array,
    options: { timeoutMs?: number; signal?: AbortSignal } = {}
  ): Promise<Uint8Array> {
    const { clock, killed, sent } = this.#cluster
    const timeoutMs = options.timeoutMs ?? 5_000
    if (timeoutMs <= 0) throw new InvalidParametersError('timeoutMs must be above 0')
    sent.push(`${this.peer}>${to} ${method}`)
    if (killed.has(to)) throw new PeerUnavailableError(`${to} is dead`)
    const target = this.#cluster.on(to)
    const server = new AbortController()
    return new Promise((resolve, reject) => {
      const end = (error: Error): void => {
        finish()
        reject(error)
        server.abort(error)
      }
      const finish = (): void => {
        cancel()
        target.inbound.delete(end)
        options.signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => end(new AbortedError('aborted', { outcomeUnknown: true }))
      const cancel = clock.schedule(timeoutMs, () => end(new DeadlineExceededError('too late')))
      target.inbound.add(end)
      options.signal?.addEventListener('abort', onAbort)
      const answer = (deliver: () => void): void =>
        this.#cluster.deliver(this.peer, () => {
          if (!target.inbound.has(end) || killed.has(to)) return
          finish()
          deliver()
        })
      this.#cluster.deliver(to, () => {
        if (killed.has(to)) return
        const handler = target.rpc.handlers.get(method)
        if (handler === undefined) {
          return answer(() => reject(new UnknownMethodError(`no ${method}`)))
        }
        const context = { peer: this.peer, signal: server.signal, remainingMs: timeoutMs }
        Promise.resolve()
          .then(() => handler(request, context))
          .then(
            (reply) => answer(() => resolve(reply)),
            (error: unknown) => answer(() => reject(crossed(error, to)))
          )
      })
    })
  }

  async *stream(
    to: string,
    method: string,
    request: Uint8Array,
    options: { timeoutMs?: number; signal?: AbortSignal } = {}
  ): AsyncIterable<Uint8Array> {
    this.#cluster.sent.push(`${this.peer}>${to} ${method}`)
    if (this.#cluster.killed.has(to)) throw new PeerUnavailableError(`${to} is dead`)
    const target = this.#cluster.on(to)
    const handler = target.rpc.streams.get(method)
    if (handler === undefined) throw new UnknownMethodError(`no ${method}`)
    const server = new AbortController()
    let fail: (error: Error) => void = () => undefined
    const failed = new Promise<never>((_, reject) => {
      fail = reject
    })
    failed.catch(() => undefined)
    const onAbort = (): void => fail(new AbortedError('aborted', { outcomeUnknown: true }))
    target.inbound.add(fail)
    options.signal?.addEventListener('abort', onAbort)
    const context = { peer: this.#self.name, signal: server.signal, remainingMs: 1e9 }
    const items = handler(request, context)[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await Promise.race([items.next(), failed])
        if (next.done === true) return
        const held = this.#cluster.frozen.get(to)
        if (held !== undefined) {
          const awake = new Promise<void>((resolve) => void held.push(resolve))
          await Promise.race([awake, failed])
        }
        yield next.value
      }
    } catch (error) {
      throw crossed(error, to)
    } finally {
      target.inbound.delete(fail)
      options.signal?.removeEventListener('abort', onAbort)
      server.abort()
      void items.return?.()
    }
  }
}

/** What becomes of an error that a handler throws on another peer. */
function crossed(error: unknown, peer: string): unknown {
  if (!(error instanceof MurmurationError)) {
    return new RemoteHandlerError(String(error), { outcomeUnknown: true })
  }
  const { name, message, code, retryable, overloaded, outcomeUnknown } = error
  const facts = { code, retryable, overloaded, outcomeUnknown }
  return Object.assign(new MurmurationError(name, message, facts), { peer })
}

export class FakeState extends TypedEventEmitter<StateEvents> implements State {
  /** Agreement is tested on the real service, in strong.test.ts. */
  readonly strong: State['strong'] = {
    read: () => Promise.reject(new UnknownMethodError('no registers')),
    update: () => Promise.reject(new UnknownMethodError('no registers'))
  }
  readonly #cluster: FakeCluster
  readonly #self: FakePeer
  readonly #owned = new Map<string, { owned: OwnedDocument; end: () => void }>()
  owns = 0
  reads = 0
  ownMs = 1

  constructor(cluster: FakeCluster, self: FakePeer) {
    super()
    this.#cluster = cluster
    this.#self = self
  }
  start(): void {}
  stop(): void {}
  records(): AgentRecord[] {
    return [...this.#cluster.records.values()]
  }
  holds(id: string): boolean {
    return this.#cluster.records.has(id)
  }
  stats(): never {
    throw new Error('not used')
  }
  async prepare(): Promise<boolean> {
    return true
  }
  movingFrom(): undefined {}
  placement(): ReturnType<State['placement']> {
    return createPlacement(this.#self.view)
  }

  endLost(): void {
    for (const [id, { owned, end }] of this.#owned) {
      if (this.placement()?.ownerOf(owned.record)?.peer === this.#self.name) continue
      this.#owned.delete(id)
      end()
      this.safeDispatchEvent('tenure', { detail: { id, status: 'ended' } })
    }
  }

  async own(record: AgentRecord, _options?: AbortOptions): Promise<OwnedDocument> {
    this.owns++
    await new Promise<void>((resolve) => void this.#cluster.clock.schedule(this.ownMs, resolve))
    if (this.placement()?.ownerOf(record)?.peer !== this.#self.name) {
      throw new NotOwnerError(`${this.#self.name} does not own ${record.id}`)
    }
    let known = this.#owned.get(record.id)
    if (known === undefined) {
      known = this.#begin(record)
      this.#owned.set(record.id, known)
      this.safeDispatchEvent('tenure', { detail: { id: record.id, status: 'begun' } })
    }
    return known.owned
  }

  #begin(record: AgentRecord): { owned: OwnedDocument; end: () => void } {
    const cluster = this.#cluster
    const stored = cluster.storedOf(record.id)
    cluster.records.set(record.id, record)
    const ended = new AbortController()
    const self = this.#self
    const writer = `${self.name}#${self.view.number}`
    const lookup = (key: IdempotencyKey): Lookup => {
      if (ended.signal.aborted) throw new NotOwnerError('the tenure has ended')
      if (key.sequence < (stored.floors.get(key.session) ?? 0)) return { status: 'expired' }
      stored.floors.set(key.session, Math.max(stored.floors.get(key.session) ?? 0, key.lowest))
      const commit = stored.keys.get(`${key.session}:${key.sequence}`)
      const { forgotten, opened } = stored
      const isLate = (key.since?.[2] ?? 0) < (forgotten[2] ?? 0)
      if (commit === undefined && isLate && !opened.has(key.session)) {
        return { status: 'unknown', since: forgotten }
      }
      if (commit === undefined) return { status: 'new' }
      return { status: 'known', commit: this.#copied({ ...commit, duplicate: true }, {}, ended) }
    }
    const owned: OwnedDocument = {
      record,
      get epoch() {
        return { view: self.view.number, boot: 1 }
      },
      signal: ended.signal,
      document: stored.document,
      lookup,
      includes: (version) => includesVersion(stored.document.version, version),
      get forgotten() {
        return stored.forgotten
      },
      commit: async (operations: readonly Operation[], options: CommitOptions = {}) => {
        if (ended.signal.aborted) throw new NotOwnerError('the tenure has ended')
        const { key } = options
        if (key !== undefined) {
          const found = lookup(key)
          if (found.status === 'known') return found.commit
          refuseForgotten(found, key)
          stored.opened.add(key.session)
        }
        stored.document.execute(operations, {
          writer,
          stamp: { time: cluster.clock.now(), tick: 0 }
        })
        const commit: Commit = {
          result: options.result ?? new Uint8Array(0),
          version: stored.document.version,
          epoch: owned.epoch,
          copies: 2,
          duplicate: false
        }
        if (key !== undefined) stored.keys.set(`${key.session}:${key.sequence}`, commit)
        for (const peer of cluster.peers.values()) peer.state.changed(record.id)
        return this.#copied(commit, options, ended)
      }
    }
    return { owned, end: () => ended.abort() }
  }

  changed(id: string): void {
    this.safeDispatchEvent('change', { detail: { id } })
  }

  /** Resolves when there are enough copies. */
  #copied(commit: Commit, options: CommitOptions, ended: AbortController): Promise<Commit> {
    const { clock, copiesMs } = this.#cluster
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        for (const cancel of cancels) cancel()
        reject(new OutcomeUnknownError('not enough copies'))
      }
      const cancels = [clock.schedule(options.timeoutMs ?? 5_000, fail)]
      ended.signal.addEventListener('abort', fail)
      if (copiesMs === Infinity) return
      cancels.push(
        clock.schedule(copiesMs, () => {
          for (const cancel of cancels) cancel()
          ended.signal.removeEventListener('abort', fail)
          resolve(commit)
        })
      )
    })
  }

  async read(
    record: AgentRecord,
    options: { stale?: boolean; signal?: AbortSignal } = {}
  ): ReturnType<State['read']> {
    this.reads++
    const cluster = this.#cluster
    const placement = this.placement()
    const owner = placement?.ownerOf(record)?.peer ?? ''
    const { signal } = options
    await new Promise<void>((resolve) => void cluster.clock.schedule(1, resolve))
    if (options.stale !== true) {
      if (cluster.killed.has(owner)) throw new PeerUnavailableError(`${owner} is dead`)
      if (cluster.frozen.has(owner)) {
        await new Promise<never>((_, reject) => {
          signal?.addEventListener('abort', () => reject(new AbortedError('gave up')))
        })
      }
    }
    const document = cluster.storedOf(record.id).document.clone()
    return {
      document,
      version: document.version,
      includes: (version) => includesVersion(document.version, version),
      epoch: options.stale === true ? undefined : { view: this.#self.view.number, boot: 1 },
      replicas: (placement?.homeOf(record) ?? []).map(({ peer }) => peer)
    }
  }
}
