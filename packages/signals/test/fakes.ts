import type { Clock, Rpc, RpcContext, RpcHandler } from '@murmuration/interface'
import {
  DeadlineExceededError,
  InvalidSignatureError,
  PeerUnavailableError,
  UnknownMethodError
} from '@murmuration/interface'
import { bytes as bytesShape, integer, message as shape, text } from '@murmuration/codec'
import { sha256 } from '@noble/hashes/sha2.js'
import { equals } from 'uint8arrays/equals'
import { createSignals } from '../src/index.ts'
import type {
  Gossip,
  GossipMessage,
  SignalBus,
  SignalsComponents,
  SignalsInit,
  SignalSigner,
  Verdict
} from '../src/index.ts'

/** Time that only moves when told to. */
export class VirtualClock implements Clock {
  time = 0
  readonly start = 1_700_000_000_000
  #timers: { at: number; task: () => void }[] = []

  now(): number {
    return this.start + this.time
  }

  monotonic(): number {
    return this.time
  }

  get timers(): number {
    return this.#timers.length
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer = { at: this.time + delayMs, task }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  async advance(ms: number): Promise<void> {
    const until = this.time + ms
    for (;;) {
      await settle()
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > until) {
        break
      }
      this.#timers = this.#timers.filter((other) => other !== next)
      this.time = Math.max(this.time, next.at)
      next.task()
    }
    this.time = until
    await settle()
  }
}

/** Lets everything run that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const Envelope = shape({ body: bytesShape(), signature: bytesShape() })
const Body = shape({
  signer: text(),
  sequence: integer(),
  time: integer(),
  payload: bytesShape()
})

/** Signs with a hash that covers the signer, so that any changed byte shows. */
export function fakeSigner(signer: string, clock: Pick<Clock, 'now'>): SignalSigner {
  return {
    seal: (payload, sequence) => {
      const body = Body.encode({ signer, sequence, time: Math.trunc(clock.now()), payload })
      return Envelope.encode({ body, signature: sha256(body) })
    },
    open: (bytes) => {
      const { body, signature } = Envelope.decode(bytes)
      if (!equals(sha256(body), signature)) {
        throw new InvalidSignatureError('forged')
      }
      return Body.decode(body)
    }
  }
}

/** A gossip network in which everybody sends to everybody directly. */
export class FakeGossipNetwork {
  readonly sent: { from: string; topic: string; bytes: Uint8Array }[] = []
  /** Links (`from>to`) that carry nothing. */
  readonly cut = new Set<string>()
  /** Links (`from>to`) that have lost their stream, until that is mended. */
  readonly mute = new Set<string>()
  /** Links (`from>to`) that are not there, though the peers know of each other. */
  readonly far = new Set<string>()
  /** Links (`from>to`) on which messages are lost, and nobody knows. */
  readonly lossy = new Set<string>()
  /** What became of messages, in the order of their deliveries. */
  readonly verdicts: Verdict[] = []
  /** Peers to which messages are sent and lost on the way. */
  readonly deaf = new Set<string>()
  /** Peers of which the others do not know yet what they subscribe to. */
  readonly unannounced = new Set<string>()
  readonly #nodes = new Map<string, FakeGossip>()

  join(peer: string): Gossip {
    const node = new FakeGossip(this, peer)
    this.#nodes.set(peer, node)
    return node
  }

  topicsOf(peer: string): readonly string[] {
    return [...(this.#nodes.get(peer)?.topics ?? [])]
  }

  subscribers(topic: string, except: string): string[] {
    return [...this.#nodes.values()]
      .filter(({ peer, topics }) => peer !== except && topics.has(topic))
      .filter(({ peer }) => !this.unannounced.has(peer))
      .map(({ peer }) => peer)
  }

  peers(except: string): string[] {
    return [...this.#nodes.keys()].filter((peer) => peer !== except)
  }

  announce(peer: string): void {
    this.unannounced.delete(peer)
    for (const topic of this.topicsOf(peer)) {
      this.tell(peer, topic)
    }
  }

  tell(peer: string, topic: string): void {
    for (const node of this.#nodes.values()) {
      if (node.peer !== peer && !this.unannounced.has(peer)) {
        node.told?.(peer, topic)
      }
    }
  }

  async inject(to: string, message: GossipMessage): Promise<Verdict> {
    const verdict = (await this.#nodes.get(to)?.judge?.(message)) ?? 'ignore'
    this.verdicts.push(verdict)
    return verdict
  }
}

class FakeGossip implements Gossip {
  readonly topics = new Set<string>()
  readonly network: FakeGossipNetwork
  readonly peer: string
  judge: ((message: GossipMessage) => Promise<Verdict>) | undefined
  told: ((peer: string, topic: string) => void) | undefined

  constructor(network: FakeGossipNetwork, peer: string) {
    this.network = network
    this.peer = peer
  }

  async publish(topic: string, bytes: Uint8Array): Promise<readonly string[]> {
    this.network.sent.push({ from: this.peer, topic, bytes })
    const recipients = this.network
      .subscribers(topic, this.peer)
      .filter((to) => !this.network.cut.has(`${this.peer}>${to}`))
      .filter((to) => !this.network.mute.has(`${this.peer}>${to}`))
      .filter((to) => !this.network.far.has(`${this.peer}>${to}`))
    const heard = recipients
      .filter((to) => !this.network.deaf.has(to))
      .filter((to) => !this.network.lossy.has(`${this.peer}>${to}`))
    for (const to of heard) {
      void this.network.inject(to, { topic, bytes, from: this.peer })
    }
    return recipients
  }

  subscribe(topic: string): void {
    this.topics.add(topic)
    this.network.tell(this.peer, topic)
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic)
  }

  subscribers(topic: string): readonly string[] {
    return this.network.subscribers(topic, this.peer)
  }

  onMessage(judge: (message: GossipMessage) => Promise<Verdict>): () => void {
    this.judge = judge
    return () => {
      this.judge = undefined
    }
  }

  onSubscribed(listener: (peer: string, topic: string) => void): () => void {
    this.told = listener
    return () => {
      this.told = undefined
    }
  }

  peers(): readonly string[] {
    return this.network.peers(this.peer)
  }

  reaches(topic: string): readonly string[] {
    return this.network
      .subscribers(topic, this.peer)
      .filter((to) => !this.network.far.has(`${this.peer}>${to}`))
  }

  mend(): readonly string[] {
    const mute = [...this.network.mute].filter((link) => link.startsWith(`${this.peer}>`))
    for (const link of mute) {
      this.network.mute.delete(link)
    }
    return mute.map((link) => link.slice(this.peer.length + 1))
  }
}

/** Remote calls between buses of one process. */
export class FakeRpcNetwork {
  readonly calls: { from: string; to: string; method: string; request: Uint8Array }[] = []
  /** Peers that no call reaches, nor theirs anybody. */
  readonly down = new Set<string>()
  readonly frozen = new Set<string>()
  /** Ways (`from>to`) on which nothing comes through, neither calls nor answers. */
  readonly silent = new Set<string>()
  readonly #handlers = new Map<string, RpcHandler>()

  join(peer: string, clock: Clock): Rpc {
    return {
      peer,
      start: () => undefined,
      stop: () => undefined,
      handle: (method, handler) => void this.#handlers.set(`${peer} ${method}`, handler),
      unhandle: (method) => void this.#handlers.delete(`${peer} ${method}`),
      handleStream: () => undefined,
      stream: () => {
        throw new UnknownMethodError('no streams here')
      },
      call: (to, method, request, options) =>
        this.call(peer, to, method, request, clock, options?.timeoutMs ?? 5000)
    }
  }

  async call(
    from: string,
    to: string,
    method: string,
    request: Uint8Array,
    clock: Clock,
    timeoutMs = 5000
  ): Promise<Uint8Array> {
    this.calls.push({ from, to, method, request })
    if (this.down.has(to) || this.down.has(from)) {
      throw new PeerUnavailableError('not there')
    }
    const handler = this.#handlers.get(`${to} ${method}`)
    if (handler === undefined) {
      throw new UnknownMethodError(method)
    }
    const controller = new AbortController()
    const context: RpcContext = { peer: from, signal: controller.signal, remainingMs: timeoutMs }
    const { promise, reject } = Promise.withResolvers<never>()
    const cancel = clock.schedule(timeoutMs, () => {
      controller.abort()
      reject(new DeadlineExceededError('too late'))
    })
    try {
      const lost = this.silent.has(`${from}>${to}`) || this.silent.has(`${to}>${from}`)
      const work =
        this.frozen.has(to) || lost
          ? new Promise<never>(() => undefined)
          : handler(request, context)
      return await Promise.race([work, promise])
    } finally {
      cancel()
    }
  }
}

/** A started bus on fake networks, and everything it received. */
export interface TestBus {
  readonly bus: SignalBus
  readonly got: unknown[]
  listen(pattern: string): void
}

export interface TestCluster {
  readonly clock: VirtualClock
  readonly gossip: FakeGossipNetwork
  readonly rpc: FakeRpcNetwork
  bus(peer: string, options?: TestBusOptions): Promise<TestBus>
}

export interface TestBusOptions {
  readonly init?: SignalsInit
  readonly components?: Partial<SignalsComponents>
}

export function testCluster(): TestCluster {
  const clock = new VirtualClock()
  const gossip = new FakeGossipNetwork()
  const rpc = new FakeRpcNetwork()
  return {
    clock,
    gossip,
    rpc,
    bus: async (peer, { components = {}, init = {} } = {}) => {
      const bus = createSignals(
        {
          peer,
          clock,
          signer: fakeSigner(peer, clock),
          gossip: gossip.join(peer),
          rpc: rpc.join(peer, clock),
          boot: 1,
          ...components
        },
        init
      )
      await bus.start()
      const got: unknown[] = []
      return {
        bus,
        got,
        listen: (pattern) => void bus.subscribe(pattern, (signal) => void got.push(signal.data))
      }
    }
  }
}
