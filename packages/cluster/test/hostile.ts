import { connect } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey, Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import {
  admission,
  admissionPrefix,
  createIssuer,
  createSealer,
  credentialsFromCertificate
} from '@murmuration/identity'
import type { Issuer } from '@murmuration/identity'
import type { Random, Role } from '@murmuration/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { sealedBatch, targetOf, topicOf } from './batches.ts'
import { outsider } from './outsider.ts'
import type { Outsider } from './outsider.ts'

/** Makes attackers against one peer. Everything they do has an end. */
export interface Attack {
  readonly cluster: string
  readonly addresses: readonly string[]
  readonly rootKey: Ed25519PrivateKey
}

const encrypters = { tls: tls(), noise: noise() }

/** A plain libp2p node, which knows nothing of admission. True where it got in. */
export async function plainStranger({ addresses }: Attack): Promise<boolean> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: Object.values(encrypters),
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 }
  })
  return await getsIn(node, addresses)
}

/** A node with a certificate that is wrong in some way. True where it got in. */
export async function wrongCertificate(
  attack: Attack,
  change: {
    readonly cluster?: string
    readonly rootKey?: Ed25519PrivateKey
    readonly ageMs?: number
  }
): Promise<boolean> {
  const { node } = await certifiedNode({ ...attack, ...change, trusts: attack.rootKey })
  return await getsIn(node, attack.addresses)
}

/** A node that may come in and then misbehaves. */
export async function rogue(attack: Attack, roles: readonly Role[] = ['member']): Promise<Libp2p> {
  const { node } = await certifiedNode({ ...attack, trusts: attack.rootKey, roles })
  await node.dial(attack.addresses.map((address) => multiaddr(address)))
  return node
}

async function certifiedNode(init: {
  readonly cluster: string
  readonly rootKey: Ed25519PrivateKey
  readonly trusts: Ed25519PrivateKey
  readonly ageMs?: number
  readonly roles?: readonly Role[]
}): Promise<{ node: Libp2p; issuer: Issuer }> {
  const { cluster, rootKey, ageMs = 0, roles = ['member'] } = init
  const privateKey = await generateKeyPair('Ed25519')
  // The attacker lives in the time in which its certificate holds.
  const clock = { now: () => Date.now() - ageMs }
  const issuer = createIssuer({ cluster, privateKey: rootKey, ttlMs: 60_000, clock })
  const credentials = await credentialsFromCertificate({
    cluster,
    privateKey,
    rootPublicKey: [...new Set([rootKey.publicKey, init.trusts.publicKey])],
    certificate: await issuer.issue(privateKey.publicKey, roles),
    clock: { ...clock, monotonic: () => performance.now(), schedule: timer }
  })
  const node = await createLibp2p({
    privateKey,
    transports: [tcp()],
    connectionEncrypters: admission(credentials).connectionEncrypters,
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    services: { identify: identify() }
  })
  return { node, issuer }
}

function timer(delayMs: number, task: () => void): () => void {
  const handle = setTimeout(task, delayMs)
  return () => clearTimeout(handle)
}

async function getsIn(node: Libp2p, addresses: readonly string[]): Promise<boolean> {
  try {
    await node.dial(
      addresses.map((address) => multiaddr(address)),
      { signal: AbortSignal.timeout(8_000) }
    )
    return true
  } catch {
    return false
  } finally {
    await node.stop()
  }
}

/** Connections that send a byte now and then, or nothing. Returns how to end them. */
export function slowLoris(address: string, count: number): () => void {
  const [, , host = '', , port = ''] = address.split('/')
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(Number(port), host)
    // The peer cuts them, which is what it is to do.
    socket.on('error', () => {})
    return socket
  })
  const drip = setInterval(() => {
    for (const socket of sockets.slice(count / 2)) if (socket.writable) socket.write('\x13')
  }, 200)
  return () => {
    clearInterval(drip)
    for (const socket of sockets) socket.destroy()
  }
}

/** Says that to a peer before anything is agreed on, and waits until it is cut; false: it was not. */
export async function babble(address: string, bytes: Uint8Array): Promise<boolean> {
  const [, , host = '', , port = ''] = address.split('/')
  const socket = connect(Number(port), host)
  socket.on('error', () => {})
  socket.write(bytes)
  const cut = await new Promise<boolean>((resolve) => {
    socket.once('close', () => resolve(true))
    setTimeout(() => resolve(false), 5_000)
  })
  socket.destroy()
  return cut
}

/** An encrypter that says that in place of a certificate, after the handshake of tls. */
export async function babbleInside(address: string, bytes: Uint8Array): Promise<void> {
  const node = await createLibp2p({
    transports: [tcp()],
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    connectionEncrypters: [
      (components) => {
        const inner = tls()(components)
        return {
          ...inner,
          protocol: `${admissionPrefix}${inner.protocol}`,
          secureInbound: inner.secureInbound.bind(inner),
          secureOutbound: async (below, options) => {
            const secured = await inner.secureOutbound(below, options)
            secured.connection.send(bytes)
            await new Promise((resolve) => setTimeout(resolve, 1_000))
            return secured
          }
        }
      }
    ]
  })
  await node.dial(multiaddr(address), { signal: AbortSignal.timeout(8_000) }).catch(() => {})
  await node.stop()
}

/** Bytes as an attacker makes them: noise, lengths that lie, deep nesting, and mutants of real frames. */
function evilBytes(random: Random, samples: readonly Uint8Array[]): Uint8Array {
  const kind = Math.floor(random.next() * 6)
  const sample = samples[Math.floor(random.next() * samples.length)] ?? new Uint8Array(1)
  switch (kind) {
    case 0:
      return random.bytes(1 + Math.floor(random.next() * 200))
    case 1:
      // A length that promises much.
      return Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0x0f, ...random.bytes(8)])
    case 2:
      return new Uint8Array(64).fill(0x81)
    case 3:
      return sample.subarray(0, Math.floor(random.next() * sample.length))
    case 4:
      return Uint8Array.from([...sample, ...random.bytes(16)])
    default: {
      const mutant = sample.slice()
      for (let flips = 0; flips < 3; flips++) {
        const at = Math.floor(random.next() * mutant.length)
        mutant[at] = (mutant[at] ?? 0) ^ (1 << Math.floor(random.next() * 8))
      }
      return mutant
    }
  }
}

/**
 * Sends frames of rubbish on a protocol, on streams that are opened again whenever the peer has
 * closed one. Returns how many were sent.
 */
export async function fuzz(
  node: Libp2p,
  protocol: string,
  frames: number,
  random: Random,
  samples: readonly Uint8Array[]
): Promise<number> {
  let sent = 0
  let failures = 0
  while (sent < frames && failures < 200) {
    let stream: Stream
    try {
      const [connection] = node.getConnections()
      if (connection === undefined) return sent
      // oxlint-disable-next-line no-await-in-loop
      stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(2_000) })
    } catch {
      failures++
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, 5))
      continue
    }
    try {
      for (let burst = 0; burst < 50 && sent < frames && stream.status === 'open'; burst++) {
        sent++
        stream.send(evilBytes(random, samples))
        if (burst % 10 === 9) {
          // oxlint-disable-next-line no-await-in-loop
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
    } catch {
      // It was closed while we sent: the next one.
    }
    stream.abort(new Error('enough'))
  }
  return sent
}

/** What came of a flood of envelopes. */
export interface Flood {
  readonly sent: number
  /** Calls that were not refused. */
  readonly taken: number
}

/**
 * Valid envelopes of keys that nobody knows, two contents under each number, sent by an admitted edge
 * peer: each half by a call and half by gossip.
 */
export class UnknownKeys {
  readonly #edge: Outsider
  readonly #attack: Attack
  readonly #victim: string
  #sent = 0
  #taken = 0

  private constructor(edge: Outsider, attack: Attack, victim: string) {
    this.#edge = edge
    this.#attack = attack
    this.#victim = victim
  }

  static async connect(attack: Attack): Promise<UnknownKeys> {
    const { cluster, addresses, rootKey } = attack
    const issuer = createIssuer({ cluster, privateKey: rootKey })
    const edge = await outsider({ rootKey, issuer, cluster, roles: ['edge'] })
    await edge.dial(addresses)
    const topic = topicOf(cluster)
    while (edge.subscribers(topic) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    return new UnknownKeys(edge, attack, addresses[0]?.split('/').at(-1) ?? '')
  }

  /** What was sent until now. */
  get flood(): Flood {
    return { sent: this.#sent, taken: this.#taken }
  }

  /** Sends up to a number in all, or until then by the monotonic clock, whatever was sent. */
  async send(total: number, until: number): Promise<void> {
    const work = async (): Promise<void> => {
      // Each worker one key after the other, so that the peer sets the pace.
      // oxlint-disable-next-line no-await-in-loop
      while (this.#sent < total && performance.now() < until) await this.#sendOfOneKey()
    }
    await Promise.all(Array.from({ length: 128 }, work))
  }

  /** Ten of one key, so that making keys does not take all the time. */
  async #sendOfOneKey(): Promise<void> {
    const { cluster } = this.#attack
    const [target, topic] = [targetOf(cluster, this.#victim), topicOf(cluster)]
    const sealer = createSealer({ privateKey: await generateKeyPair('Ed25519') })
    for (let index = 0; index < 10; index++) {
      const isCall = index % 4 < 2
      const channel = isCall ? target : topic
      const first = 1 + (index >> 2)
      // oxlint-disable-next-line no-await-in-loop
      const bytes = await sealedBatch(sealer, String(index), { cluster, channel, first })
      this.#sent++
      // oxlint-disable-next-line no-await-in-loop
      await (isCall ? this.#deliver(bytes) : this.#edge.gossip(topic, bytes))
    }
  }

  async #deliver(bytes: Uint8Array): Promise<void> {
    try {
      await this.#edge.rpc.call(this.#victim, 'signals.deliver', bytes, { timeoutMs: 5_000 })
      this.#taken++
    } catch {
      // As it should.
    }
  }

  async stop(): Promise<void> {
    await this.#edge.stop()
  }
}
