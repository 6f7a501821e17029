import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LoopbackLinks } from '@murmuration/testkit'
import { Chronicle } from './chronicle.ts'
import type { Merge } from './chronicle.ts'
import type { Fault, MeshOptions } from './options.ts'
import type { FeedResult, FromFeeder, FromPeer, PeerStatus } from './protocol.ts'
import type { Failover } from './report.ts'
import { readSecret } from './secret.ts'
import { spawnChild } from './spawn.ts'
import type { Child } from './spawn.ts'

export type PeerCondition =
  | 'starting'
  | 'up'
  | 'paused'
  | 'killed'
  | 'stopping'
  | 'stopped'
  | 'failed'

export interface MeshPeer {
  readonly index: number
  readonly child: Child
  condition: PeerCondition
  peer: string
  status: PeerStatus | undefined
}

export interface Progress {
  readonly lines: number
  readonly applied: number
  readonly total: number | undefined
  readonly perSecond: number
  readonly p50: number
  readonly p95: number
}

interface MeshEvents {
  /** Something worth a line. */
  note: [text: string]
  progress: [Progress]
  status: []
  result: [FeedResult]
  /** The run cannot go on. */
  broken: [reason: string]
}

/** Milliseconds that processes may take to start and to agree on a view: in all, and for each peer. */
const START_MAX_MS = 30_000
const START_MAX_PER_PEER_MS = 10_000
/** Milliseconds that a process may take to end before it is killed. */
const END_MAX_MS = 5_000

/** The processes of one mesh: starts them, breaks them as told, and ends them. */
export class Mesh extends EventEmitter<MeshEvents> {
  readonly peers = new Map<number, MeshPeer>()
  readonly #options: MeshOptions
  readonly #failovers = new Map<
    number,
    { atMs: number; watched: boolean; detectedMs: number | null; servedAgainMs: number | null }
  >()
  /** Proxies in all links, where a split was asked for. */
  readonly #links: LoopbackLinks | undefined
  #feeder: Child | undefined
  #temporary: string | undefined
  #ending = false
  readonly #ready = new Set<number>()
  readonly #chronicle = new Chronicle((text) => void this.emit('note', text))

  constructor(options: MeshOptions) {
    super()
    this.#options = options
    if (options.faults.some(({ kind }) => kind === 'split')) this.#links = new LoopbackLinks()
  }

  get failovers(): readonly Failover[] {
    return [...this.#failovers].map(([peer, { detectedMs, servedAgainMs }]) => ({
      peer,
      detectedMs,
      servedAgainMs
    }))
  }

  /** What became of what peers did for their side of a split, the latest last. */
  get merges(): readonly Merge[] {
    return this.#chronicle.merges
  }

  /** Resolves when all peers are in one view and the feeder follows it. */
  async start(): Promise<void> {
    const data = this.#options.data ?? (this.#temporary = await mkdtemp(join(tmpdir(), 'mesh-')))
    await mkdir(data, { recursive: true })
    const secret = await readSecret(data)
    const run = randomBytes(2).toString('hex')
    const first = await this.#startPeer(1, data, secret, [])
    const others = Array.from({ length: this.#options.peers - 1 }, (_, at) => at + 2)
    const addresses = await Promise.all(
      others.map((index) => this.#startPeer(index, data, secret, first))
    )
    this.#startFeeder(secret, [first, ...addresses].flat())
    this.emit('note', `mesh ${run}: ${this.#options.peers} peers started, waiting for one view`)
    await this.#allReady()
  }

  /** Starts reading the feed; progress and the result come as events. */
  feed(path: string, total: number | undefined): void {
    this.#feeder?.process.send({ kind: 'start', path, total })
  }

  /** Ends the reading of the feed; the result of what was applied comes as an event. */
  conclude(): void {
    if (this.#feeder?.process.connected === true) this.#feeder.process.send({ kind: 'conclude' })
  }

  /** What went wrong with the peers by itself. */
  get failures(): readonly string[] {
    const ended = [...this.peers.values()].filter(({ condition }) => condition === 'failed')
    const missing = [...this.#failovers].filter(
      ([, { watched, servedAgainMs }]) => watched && servedAgainMs === null
    )
    return [
      ...ended.map(
        ({ index, child }) =>
          `peer ${index} ended by itself: ${child.errorText().trim().split('\n').at(-1)}`
      ),
      ...missing.map(([index]) => `no agent of peer ${index} was seen to serve again`)
    ]
  }

  /** Cuts the links between the sides, and heals them after a while. */
  #split(sides: readonly (readonly number[])[], forMs: number): void {
    const text = sides.map((side) => side.join(',')).join(' | ')
    this.#links?.split(sides)
    this.emit('note', `split ${text} for ${forMs} ms: the links between the sides are silent`)
    setTimeout(() => {
      if (this.#ending) return
      this.#links?.heal()
      this.emit('note', `split ${text} is healed`)
    }, forMs)
  }

  /** Does to a peer what the fault says; false if it cannot be done any more. */
  inflict(fault: Fault): boolean {
    if (fault.kind === 'split') {
      this.#split(fault.sides, fault.forMs)
      return true
    }
    const target = this.peers.get(fault.peer)
    if (target === undefined || target.condition !== 'up') return false
    switch (fault.kind) {
      case 'kill':
        this.#kill(target)
        return true
      case 'pause':
        this.#pause(target, fault.forMs)
        return true
      case 'stop':
        target.condition = 'stopping'
        target.child.process.send({ kind: 'drain' })
        this.emit('note', `peer ${target.index} drains and stops`)
        return true
    }
  }

  /** Ends every process, in order where possible, by force where not. */
  async end(): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    const peers = [...this.peers.values()]
    const children = [this.#feeder, ...peers.map(({ child }) => child)].filter(
      (child) => child !== undefined
    )
    for (const { child, condition } of peers)
      if (condition === 'paused') child.process.kill('SIGCONT')
    for (const child of children) if (child.process.connected) child.process.send({ kind: 'end' })
    const force = setTimeout(() => this.kill(), END_MAX_MS)
    await Promise.all(children.map(({ ended }) => ended))
    clearTimeout(force)
    this.#links?.close()
    if (this.#temporary !== undefined) await rm(this.#temporary, { recursive: true, force: true })
  }

  /** Ends every process at once. */
  kill(): void {
    this.#feeder?.process.kill('SIGKILL')
    for (const { child } of this.peers.values()) child.process.kill('SIGKILL')
  }

  /** Resolves with the addresses of the peer once it can be dialled. */
  async #startPeer(
    index: number,
    data: string,
    secret: string,
    bootstrap: readonly string[]
  ): Promise<readonly string[]> {
    const place = await this.#links?.open(index)
    return new Promise((resolve, reject) => {
      const init = {
        index,
        cluster: 'peer-mesh',
        secret,
        listen: '/ip4/127.0.0.1/tcp/0',
        ...place,
        bootstrap,
        dataDir: join(data, `peer-${index}`),
        live: this.#options.feed === undefined,
        onSplit: this.#options.onSplit
      }
      const child = spawnChild('peer', init, (message) => {
        const told = message as FromPeer // sent by peer.ts of the same program
        if (told.kind === 'listening') {
          peer.peer = told.peer
          resolve(told.addresses)
        }
        if (told.kind === 'failed') reject(new Error(`peer ${index}: ${told.reason}`))
        this.#onPeer(peer, told)
      })
      const peer: MeshPeer = { index, child, condition: 'starting', peer: '', status: undefined }
      this.peers.set(index, peer)
      void child.ended.then(() => {
        reject(new Error(`peer ${index} ended: ${child.errorText().trim()}`))
        this.#onPeerEnd(peer)
      })
    })
  }

  #startFeeder(secret: string, bootstrap: readonly string[]): void {
    const init = {
      index: 0,
      cluster: 'peer-mesh',
      secret,
      listen: '',
      bootstrap,
      dataDir: undefined,
      live: false,
      onSplit: this.#options.onSplit
    }
    const feeder = spawnChild('feeder', init, (message) => {
      this.#onFeeder(message as FromFeeder) // sent by feeder.ts of the same program
    })
    this.#feeder = feeder
    void feeder.ended.then(() => {
      if (!this.#ending) this.emit('broken', `the feeder ended: ${feeder.errorText().trim()}`)
    })
  }

  async #allReady(): Promise<void> {
    const late = Date.now() + START_MAX_MS + this.#options.peers * START_MAX_PER_PEER_MS
    const wanted = this.#options.peers + 1
    const whole = (): boolean =>
      this.#ready.size === wanted &&
      [...this.peers.values()].every(({ status }) => status?.members.length === this.#options.peers)
    while (!whole() && !this.#ending) {
      if (Date.now() > late) {
        const missing = [...this.peers.keys()].filter((index) => !this.#ready.has(index))
        throw new Error(
          `the peers did not agree on one view in time (not ready: ${missing.join(', ')})`
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  #onPeer(peer: MeshPeer, message: FromPeer): void {
    switch (message.kind) {
      case 'listening':
        return
      case 'ready':
        this.#ready.add(peer.index)
        if (peer.condition === 'starting') peer.condition = 'up'
        return
      case 'status':
        this.#chronicle.standing(peer.index, peer.status?.standing ?? 'whole', message)
        this.#chronicle.verdict(peer.index, peer.status?.verdict ?? 'run', message)
        peer.status = message
        this.emit('status')
        return
      case 'view':
        this.#onView(peer, message)
        return
      case 'signal':
        this.#chronicle.signal(message)
        return
      case 'merged':
        this.#chronicle.merged(message)
        return
      case 'failed':
        this.emit('note', `peer ${peer.index}: ${message.reason}`)
        return
    }
  }

  #onView(from: MeshPeer, view: Extract<FromPeer, { kind: 'view' }>): void {
    for (const [index, failover] of this.#failovers) {
      const gone = this.peers.get(index)?.peer ?? ''
      if (failover.detectedMs !== null || index === from.index || view.members.includes(gone))
        continue
      failover.detectedMs = Math.max(0, view.at - failover.atMs)
      this.emit('note', `view ${view.view} without peer ${index} after ${failover.detectedMs} ms`)
    }
  }

  #onFeeder(message: FromFeeder): void {
    switch (message.kind) {
      case 'ready':
        this.#ready.add(0)
        return
      case 'progress':
        this.emit('progress', message)
        return
      case 'bad-line':
        this.emit('note', `line ${message.line} is bad: ${message.reason}`)
        return
      case 'served': {
        const failover = this.#failovers.get(message.index)
        if (failover === undefined || failover.servedAgainMs !== null) return
        failover.servedAgainMs = Math.max(0, message.at - failover.atMs)
        this.emit(
          'note',
          `an agent of peer ${message.index} served again after ${failover.servedAgainMs} ms`
        )
        return
      }
      case 'result':
        this.emit('result', message.result)
        return
      case 'failed':
        this.emit('broken', `the feeder: ${message.reason}`)
        return
    }
  }

  #onPeerEnd(peer: MeshPeer): void {
    if (peer.condition === 'killed') return
    const expected =
      (peer.condition === 'stopping' && peer.child.process.exitCode === 0) || this.#ending
    peer.condition = expected ? 'stopped' : 'failed'
    if (this.#ending) return
    const text = peer.child.errorText().trim().split('\n').at(-1) ?? ''
    this.emit(
      'note',
      expected ? `peer ${peer.index} has stopped` : `peer ${peer.index} ended: ${text}`
    )
    this.emit('status')
  }

  #kill(target: MeshPeer): void {
    const agent = target.status?.agents.find(({ id }) => id.includes('/device/'))?.id
    target.child.process.kill('SIGKILL')
    // A proxy must not go on taking connections for a process that is gone.
    void this.#links?.setUp(target.index, false)
    target.condition = 'killed'
    const watched = agent !== undefined && this.#feeder !== undefined
    const failover = { atMs: Date.now(), watched, detectedMs: null, servedAgainMs: null }
    this.#failovers.set(target.index, failover)
    this.emit('note', `peer ${target.index} killed (SIGKILL)`)
    if (agent !== undefined) {
      this.#feeder?.process.send({ kind: 'killed', index: target.index, agent })
    }
    this.emit('status')
  }

  #pause(target: MeshPeer, forMs: number): void {
    target.child.process.kill('SIGSTOP')
    target.condition = 'paused'
    this.emit('note', `peer ${target.index} paused for ${forMs} ms (SIGSTOP)`)
    setTimeout(() => {
      if (target.condition !== 'paused') return
      target.child.process.kill('SIGCONT')
      target.condition = 'up'
      this.emit('note', `peer ${target.index} continues`)
    }, forMs)
  }
}
