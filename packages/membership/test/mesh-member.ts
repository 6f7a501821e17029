/**
 * One member in a process of its own. Takes `{ path, contact? }` as JSON: where its store is, and
 * the address of a peer to ask. Writes its address, and then each view, as one line of JSON each.
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import {
  connectionManagerDefaults,
  connectionMonitorDefaults,
  discovery,
  peerStoreDefaults,
  tcpDefaults,
  yamuxDefaults
} from '@murmuration/discovery'
import { rpc } from '@murmuration/rpc'
import { openLevelStore } from '@murmuration/storage'
import { createLibp2p } from 'libp2p'
import { createMembership } from '../src/index.ts'

// Written by the test beside this file.
const options = JSON.parse(process.argv[2] ?? '') as {
  readonly path: string
  readonly contact?: string
}

const node = await createLibp2p({
  privateKey: await generateKeyPair('Ed25519'),
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp(tcpDefaults)],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux(yamuxDefaults)],
  connectionManager: connectionManagerDefaults,
  connectionMonitor: connectionMonitorDefaults,
  peerStore: peerStoreDefaults,
  services: { identify: identify(), rpc: rpc(), discovery: discovery() }
})

const membership = createMembership(
  {
    rpc: node.services.rpc,
    discovery: node.services.discovery,
    store: await openLevelStore({ path: options.path }),
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      schedule: (delayMs, task) => {
        const timer = setTimeout(task, delayMs)
        return () => clearTimeout(timer)
      }
    },
    random: {
      next: () => Math.random(),
      bytes: (length) => crypto.getRandomValues(new Uint8Array(length))
    },
    logger: node.logger
  },
  {
    cluster: 'mesh',
    found: options.contact === undefined,
    addresses: () => node.getMultiaddrs().map(String)
  }
)

function tell(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

tell({ peer: node.peerId.toString(), address: node.getMultiaddrs()[0]?.toString() })
membership.addEventListener('view', ({ detail: { view } }) => {
  tell({ number: view.number, members: view.members.map(({ peer }) => peer) })
  membership.reportSettled(view.number)
})
membership.addEventListener('settled', ({ detail }) => tell(detail))
await membership.start()
if (options.contact !== undefined) {
  await node.dial(multiaddr(options.contact))
}
