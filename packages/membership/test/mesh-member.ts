/**
 * One member in a process of its own. Takes `{ path, index, contact? }` as JSON: where its store is,
 * which key it has, and the address of a peer to ask. Writes what happens as one line of JSON each.
 */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
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
import { joinedFrames, rpc, sparingWindowUpdates } from '@murmuration/rpc'
import { openLevelStore } from '@murmuration/storage'
import { createLibp2p } from 'libp2p'
import { removedBy } from '../src/core/grants.ts'
import { createMembership } from '../src/index.ts'

// Written by `process-group.ts` beside this file.
const options = JSON.parse(process.argv[2] ?? '') as {
  readonly path: string
  readonly index: number
  readonly contact?: string
}

const node = await createLibp2p({
  privateKey: await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(options.index + 1)),
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp(tcpDefaults)],
  connectionEncrypters: [tls()],
  streamMuxers: [joinedFrames(sparingWindowUpdates(yamux(yamuxDefaults)))],
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
membership.addEventListener('view', ({ detail: { previous, view } }) => {
  tell({ number: view.number, members: view.members.map(({ peer }) => peer) })
  membership.reportSettled(view.number)
  for (const owner of previous === undefined ? [] : removedBy(previous, view)) {
    void membership.whenReplaceable(owner).then(() => tell({ replaceable: owner.peer }))
  }
})
membership.addEventListener('settled', ({ detail }) => tell(detail))
membership.addEventListener('lease', ({ detail }) => tell(detail))
membership.addEventListener('reachability', ({ detail }) => tell({ seen: detail }))
await membership.start()
const { view } = membership
if (view !== undefined) {
  tell({ number: view.number, members: view.members.map(({ peer }) => peer) })
  membership.reportSettled(view.number)
}
if (options.contact !== undefined) {
  await node.dial(multiaddr(options.contact))
}
