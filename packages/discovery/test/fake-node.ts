import { generateKeyPair } from '@libp2p/crypto/keys'
import { UnsupportedProtocolError } from '@libp2p/interface'
import type { Connection, Libp2pEvents, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { UnknownMethodError } from '@murmuration/interface'
import type { CallOptions, Rpc, RpcHandler } from '@murmuration/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import type { Libp2pParts } from '../src/components.ts'

/** Fresh PeerIds as text, lowest first. */
export async function createPeers(count: number): Promise<string[]> {
  const keys = await Promise.all(Array.from({ length: count }, () => generateKeyPair('Ed25519')))
  return keys.map((key) => peerIdFromPrivateKey(key).toString()).toSorted()
}

/** A logger that writes nowhere and remembers its lines. */
export function createLogger(lines: string[] = []): Libp2pParts['logger'] {
  const logger = Object.assign(
    (...args: unknown[]) => void lines.push(args.map(String).join(' ')),
    {
      enabled: true,
      error: (...args: unknown[]) => void lines.push(args.map(String).join(' ')),
      trace: () => {},
      newScope: () => logger
    }
  )
  return { forComponent: () => logger }
}

export interface FakeConnection extends Connection {
  /** Its muxer is gone although its status is `open`. */
  zombie: boolean
  /** The other side does not answer. */
  mute: boolean
  closedBy: 'close' | 'abort' | undefined
  streamsOpened: number
}

type Dialler = (target: {
  peer?: string
  addresses: string[]
  signal: AbortSignal
}) => Promise<Connection>

/** The parts of a node whose connections are made by the test. */
export class FakeNode implements Libp2pParts {
  readonly peerId: PeerId
  readonly events = new TypedEventEmitter<Libp2pEvents>()
  readonly lines: string[] = []
  readonly logger = createLogger(this.lines)
  readonly addressManager: { getAddresses(): Multiaddr[] } = { getAddresses: () => [] }
  readonly merged: { peer: string; data: unknown }[] = []
  readonly peerStore: Libp2pParts['peerStore'] = {
    get: async () => {
      throw Object.assign(new Error('not found'), { name: 'NotFoundError' })
    },
    merge: async (id, data) => {
      this.merged.push({ peer: id.toString(), data })
      // Nothing under test reads the result.
      return {} as Awaited<ReturnType<Libp2pParts['peerStore']['merge']>>
    }
  }
  readonly dials: string[][] = []
  open: FakeConnection[] = []
  dialler: Dialler = async () => {
    throw new Error('nobody there')
  }
  readonly connectionManager: Libp2pParts['connectionManager'] = {
    getConnections: (peer) =>
      this.open.filter(({ remotePeer }) => peer === undefined || remotePeer.equals(peer)),
    openConnection: async (target, options) => {
      const list: (PeerId | Multiaddr)[] = Array.isArray(target) ? target : [target]
      const texts = list.map(String)
      this.dials.push(texts)
      const peer = texts[0]?.split('/p2p/').at(-1)
      return await this.dialler({
        ...(peer === undefined ? {} : { peer }),
        addresses: texts,
        signal: options?.signal ?? new AbortController().signal
      })
    }
  }
  #count = 0

  constructor(peer: string) {
    this.peerId = peerIdFromString(peer)
  }

  connect(peer: string, direction: 'inbound' | 'outbound' = 'outbound'): FakeConnection {
    const end = (how: 'close' | 'abort'): void => {
      if (connection.status === 'open') {
        connection.closedBy = how
        connection.status = 'closed'
        this.open = this.open.filter((one) => one !== connection)
        this.events.safeDispatchEvent('connection:close', { detail: connection })
      }
    }
    // Only what the code under test uses of a connection is there.
    const connection = {
      id: `connection ${this.#count++}`,
      remotePeer: peerIdFromString(peer),
      remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
      direction,
      status: 'open',
      timeline: { open: this.#count },
      zombie: false,
      mute: false,
      closedBy: undefined,
      streamsOpened: 0,
      newStream: async (
        _protocol: string,
        options: { signal?: AbortSignal; onProgress?: (event: unknown) => void }
      ) => {
        if (connection.zombie) {
          throw Object.assign(new Error('closed'), { name: 'ConnectionClosedError' })
        }
        options.onProgress?.({})
        connection.streamsOpened++
        if (connection.mute) {
          await new Promise((_resolve, reject) => {
            options.signal?.addEventListener('abort', () => reject(new Error('aborted')))
          })
        }
        throw new UnsupportedProtocolError('not handled')
      },
      close: async () => end('close'),
      abort: () => end('abort')
    } as unknown as FakeConnection
    this.open.push(connection)
    this.events.safeDispatchEvent('connection:open', { detail: connection })
    return connection
  }
}

type FakeCall = (
  peer: string,
  method: string,
  request: Uint8Array,
  options?: CallOptions
) => Promise<Uint8Array>

/** An `Rpc` whose peers are entries of a map. */
export class FakeRpc implements Rpc {
  readonly handlers = new Map<string, RpcHandler>()
  readonly peer: string
  readonly #network: Map<string, FakeRpc>
  /** Runs before each call that this peer makes. */
  before: ((peer: string, options: CallOptions) => Promise<void>) | undefined
  calls = 0
  bytes = 0

  constructor(peer: string, network: Map<string, FakeRpc>) {
    this.peer = peer
    this.#network = network
    network.set(peer, this)
  }

  start(): void {}
  stop(): void {}
  handle(method: string, handler: RpcHandler): void {
    this.handlers.set(method, handler)
  }
  handleStream(): void {
    throw new Error('not used')
  }
  unhandle(method: string): void {
    this.handlers.delete(method)
  }
  stream(): AsyncIterable<Uint8Array> {
    throw new Error('not used')
  }

  readonly call: FakeCall = async (peer, method, request, options) => {
    this.calls++
    await this.before?.(peer, options ?? {})
    const handler = this.#network.get(peer)?.handlers.get(method)
    if (handler === undefined) {
      throw new UnknownMethodError(method)
    }
    const signal = options?.signal ?? new AbortController().signal
    const response = await handler(request, { peer: this.peer, signal, remainingMs: 1_000 })
    this.bytes += response.length
    return response
  }
}
