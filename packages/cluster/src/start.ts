import { defaultLogger } from '@libp2p/logger'
import type { ComponentLogger, Logger, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import {
  bootstrap,
  componentsOf,
  createDiscovery,
  kademlia,
  mdns,
  peersOfPeers
} from '@murmuration/discovery'
import type { MembershipProofs } from '@murmuration/discovery'
import { certificateName } from '@murmuration/identity'
import type { Store } from '@murmuration/interface'
import { createHomeFinder, createHomeHints } from '@murmuration/registry'
import { createLocalRpc } from '@murmuration/rpc'
import { createSignalSigner, gossipsubGossip } from '@murmuration/signals'
import { systemClock as clock, systemRandom as random } from '@murmuration/system'
import { rememberAddresses } from './address-book.ts'
import { assemble, logSink } from './assembly.ts'
import { Closers } from './closers.ts'
import { credentialsOf } from './credentials.ts'
import { openData } from './data.ts'
import { watchfulSigner } from './equivocation.ts'
import { Identity } from './identity.ts'
import type { Cluster, ClusterInit, PlatformClusterInit } from './index.ts'
import { isolatedParts } from './isolated.ts'
import { rememberPorts, withKnownPorts } from './listen.ts'
import { MachineWatch } from './machine-load.ts'
import { startNode } from './node.ts'
import type { Node } from './node.ts'
import { Peer } from './peer.ts'
import type { Platform } from './platform.ts'
import { settingsOf } from './settings.ts'
import type { Settings } from './settings.ts'

/** Starts a peer on this machine. */
export async function startCluster(init: ClusterInit): Promise<Cluster> {
  const settings = settingsOf(init)
  return await startPeer(settings, (closers) => openPlatform(settings, closers))
}

/** Starts a peer on parts that somebody else made and closes. */
export async function startClusterOn(
  platform: Platform,
  init: PlatformClusterInit
): Promise<Cluster> {
  const distributed = platform.discovery !== undefined && platform.isAlone !== true
  // What bootstrap addresses are for, the platform does itself.
  const settings = { ...settingsOf({ ...init, distributed: false }), distributed }
  return await startPeer(settings, () => platform)
}

/** What has started is stopped if a part fails. */
async function startPeer(
  settings: Settings,
  platformOf: (closers: Closers) => Promise<Platform> | Platform
): Promise<Cluster> {
  const closers = new Closers()
  try {
    const platform = await platformOf(closers)
    return new Peer(await assemble(platform, settings, closers), closers)
  } catch (error) {
    await closers.close()
    throw error
  }
}

/** This machine, with libp2p if the peer is not alone. */
async function openPlatform(settings: Settings, closers: Closers): Promise<Platform> {
  const logger = settings.logger ?? defaultLogger()
  const log = logger.forComponent('murmuration:cluster')
  const { store, privateKey } = await openData(settings, closers, log)
  const peer = peerIdFromPrivateKey(privateKey).toString()
  warn(settings, log)
  const watch = new MachineWatch(clock)
  watch.start()
  closers.add(() => watch.stop())
  const machine = { peer, clock, random, store, logger, machine: () => watch.load() }
  if (!settings.distributed) {
    const rpc = createLocalRpc({ peer })
    const network = isolatedParts(peerIdFromPrivateKey(privateKey), logger)
    const discovery = createDiscovery({ ...network, rpc, clock, random })
    return { ...machine, rpc, discovery, isAlone: true }
  }
  const node = await openNetwork(settings, privateKey, store, closers)
  const { libp2p, rpc, admitted } = node
  const identity = openIdentity(settings, node, store, logger)
  return {
    ...machine,
    rpc,
    discovery: openDiscovery(settings, node),
    gossip: gossipsubGossip({
      pubsub: node.pubsub,
      connections: (other) => libp2p.getConnections(other)
    }),
    signer: watchfulSigner(createSignalSigner({ privateKey, clock }), {
      knows: (other) => identity.knows(other),
      accuse: (proof) => {
        // What fails here is in the log, and the peer is refused by this one in any case.
        identity.accuse(proof).catch(() => {})
      }
    }),
    found: settings.bootstrap.length === 0,
    addresses: () => libp2p.getMultiaddrs().map(String),
    rolesOf: (other) => admitted.rolesOf(other) ?? [],
    serialOf: (other) => {
      const certificate = admitted.certificateOf(other)
      return certificate === undefined ? undefined : certificateName(certificate)
    },
    identity,
    remember: (members) => rememberAddresses(libp2p, members, log),
    ...hintsOf(settings, node, privateKey, logger),
    ...(libp2p.metrics === undefined ? {} : { metrics: libp2p.metrics })
  }
}

function warn({ distributed, guarded, dataDir }: Settings, log: Logger): void {
  if (distributed && !guarded) {
    log('no secret and no identity: listening on loopback only, and everybody there may join')
  }
  if (dataDir === undefined) log('no dataDir: keys and state are lost when this process ends')
}

async function openNetwork(
  settings: Settings,
  privateKey: PrivateKey,
  store: Store,
  closers: Closers
): Promise<Node> {
  const credentials = await credentialsOf(settings, privateKey, store.sub('identity/'))
  const kept = store.sub('listen/')
  const known = await withKnownPorts(settings.listen, kept)
  let node: Node
  try {
    node = await startNode(settings, credentials, privateKey, known)
  } catch (error) {
    if (known.join() === settings.listen.join()) throw error
    // The port of last time is taken by somebody else now: any other one will do.
    node = await startNode(settings, credentials, privateKey, settings.listen)
  }
  closers.add(() => node.libp2p.stop())
  await rememberPorts(settings.listen, node.libp2p.getMultiaddrs().map(String), kept)
  return node
}

function openIdentity(
  settings: Settings,
  node: Node,
  store: Store,
  logger: ComponentLogger
): Identity {
  const { libp2p, rpc, admitted, credentials } = node
  return new Identity({
    settings,
    credentials,
    admitted,
    rpc,
    clock,
    random,
    store: store.sub('identity/'),
    log: logSink(logger, 'identity'),
    connected: () => libp2p.getPeers().map(String),
    addresses: () => libp2p.getMultiaddrs().map(String)
  })
}

function openDiscovery(settings: Settings, node: Node): ReturnType<typeof createDiscovery> {
  return createDiscovery(
    { ...componentsOf(node.libp2p), rpc: node.rpc, clock, random },
    {
      strategies: [
        ...(settings.bootstrap.length === 0 ? [] : [bootstrap({ addresses: settings.bootstrap })]),
        ...(settings.mdns ? [mdns()] : []),
        ...(node.dht === undefined ? [] : [kademlia({ dht: node.dht })]),
        peersOfPeers({ proofs: proofsOf(node) }),
        ...settings.strategies
      ]
    }
  )
}

/** Providers prove themselves by their connection, and what they say by a signed view. */
function hintsOf(
  { hints, name }: Settings,
  { libp2p, rpc, dht, admitted }: Node,
  privateKey: PrivateKey,
  logger: ComponentLogger
): Pick<Platform, 'hints'> {
  if (hints !== true || dht === undefined) return {}
  const log = logSink(logger, 'hints')
  return {
    hints: {
      publish: (membership) => createHomeHints({ dht, rpc, membership, privateKey, clock, log }),
      homes: createHomeFinder(
        {
          dht,
          rpc,
          connect: ({ id, multiaddrs }, options) =>
            libp2p.dial(multiaddrs.length > 0 ? multiaddrs : id, options),
          log
        },
        {
          cluster: name,
          trusts: (peer) => admitted.rolesOf(peer)?.includes('member') === true
        }
      )
    }
  }
}

/** A peer that others only tell of is taken note of with its certificates. */
function proofsOf({ admitted, credentials }: Node): MembershipProofs {
  return {
    of: (peer) => admitted.shownBy(peer),
    hold: async (peer, proofs) => {
      try {
        await credentials.verify(proofs, peer)
        return true
      } catch {
        // Whatever is wrong with them, they prove nothing.
        return false
      }
    }
  }
}
