import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import type { Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { admission, credentialsFromSecret, privateNetwork } from '../src/index.ts'
import type {
  Admission,
  AdmissionInit,
  Credentials,
  EncrypterFactory,
  SecretCredentials
} from '../src/index.ts'

export const secret = 'correct horse battery staple'
export const cluster = 'forest'

export const encrypters: Readonly<Record<'tls' | 'noise', EncrypterFactory>> = {
  tls: tls(),
  noise: noise()
}

export type TestNode = Libp2p<{ identify: Identify; ping: Ping }>

/** A node and what it saw; the counters must stay at zero for strangers. */
export interface Watched {
  readonly node: TestNode
  readonly peer: string
  readonly door: Admission | undefined
  readonly identified: string[]
  readonly opened: string[]
}

export interface NodeInit extends AdmissionInit {
  readonly privateNetwork?: boolean
}

const running = new Set<TestNode>()

async function start(
  privateKey: PrivateKey,
  door: Admission | undefined,
  connectionEncrypters: EncrypterFactory[],
  protector?: ReturnType<typeof privateNetwork>
): Promise<Watched> {
  const node = await createLibp2p({
    privateKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters,
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1e6, maxIncomingPendingConnections: 1000 },
    services: { identify: identify(), ping: ping() },
    ...(door === undefined ? {} : { connectionGater: door.connectionGater }),
    ...(protector === undefined ? {} : { connectionProtector: protector })
  })
  running.add(node)
  const identified: string[] = []
  const opened: string[] = []
  node.addEventListener('peer:identify', (event) => {
    identified.push(event.detail.peerId.toString())
  })
  node.addEventListener('connection:open', (event) => {
    opened.push(event.detail.remotePeer.toString())
  })
  return { node, peer: node.peerId.toString(), door, identified, opened }
}

/** A node of a cluster. */
export async function startNode(credentials: Credentials, init: NodeInit = {}): Promise<Watched> {
  const { privateNetwork: hidden, ...rest } = init
  const door = admission(credentials, rest)
  const protector = hidden === true ? privateNetwork(credentials) : undefined
  return await start(credentials.privateKey, door, door.connectionEncrypters, protector)
}

/** A node with encrypters of its own. */
export async function startPlain(
  connectionEncrypters: EncrypterFactory[],
  privateKey?: PrivateKey
): Promise<Watched> {
  return await start(
    privateKey ?? (await generateKeyPair('Ed25519')),
    undefined,
    connectionEncrypters
  )
}

export async function stopNodes(): Promise<void> {
  await Promise.all([...running].map(async (node) => await node.stop()))
  running.clear()
}

export async function memberCredentials(
  init: Partial<Parameters<typeof credentialsFromSecret>[0]> = {}
): Promise<SecretCredentials> {
  return await credentialsFromSecret({
    cluster,
    secret,
    privateKey: await generateKeyPair('Ed25519'),
    ...init
  })
}

/** Dials and pings, so that it only resolves on a connection that works both ways. */
export async function connect(from: Watched, to: Watched): Promise<void> {
  const connection = await from.node.dial(to.node.getMultiaddrs())
  await from.node.services.ping.ping(connection.remotePeer)
}

/** What a refused dial rejects with. */
export async function refused(from: Watched, to: Watched): Promise<unknown> {
  return await from.node.dial(to.node.getMultiaddrs()).then(
    () => {
      throw new Error('the stranger got in')
    },
    (error: unknown) => error
  )
}
