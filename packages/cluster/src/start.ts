import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import type { ComponentLogger, Logger, Metrics, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createAgents } from '@murmuration/agent'
import type { AgentComponents, Agents } from '@murmuration/agent'
import {
  bootstrap,
  componentsOf,
  createDiscovery,
  kademlia,
  mdns,
  peersOfPeers
} from '@murmuration/discovery'
import type { MembershipProofs } from '@murmuration/discovery'
import { loadOrCreateKey } from '@murmuration/identity'
import type { LogSink, Registry, Rpc, Store } from '@murmuration/interface'
import { createMembership, createViewFollower } from '@murmuration/membership'
import type { JoiningMembership, MembershipComponents } from '@murmuration/membership'
import { createPartition } from '@murmuration/partition'
import { createRegistry } from '@murmuration/registry'
import type { RegistryComponents } from '@murmuration/registry'
import { createCallGuard } from '@murmuration/resilience'
import { createLocalRpc } from '@murmuration/rpc'
import { createSignals, createSignalSigner, gossipsubGossip } from '@murmuration/signals'
import type { SignalsComponents } from '@murmuration/signals'
import { createState } from '@murmuration/state'
import type { State } from '@murmuration/state'
import { createMemoryStore, openLevelStore } from '@murmuration/storage'
import { systemClock as clock, systemRandom as random } from '@murmuration/system'
import { join } from 'node:path'
import { rememberAddresses } from './address-book.ts'
import { Closers } from './closers.ts'
import { credentialsOf } from './credentials.ts'
import { watchfulSigner } from './equivocation.ts'
import { Identity } from './identity.ts'
import type { Cluster, ClusterInit } from './index.ts'
import { rememberPorts, withKnownPorts } from './listen.ts'
import { startNode } from './node.ts'
import type { Node } from './node.ts'
import { offersOf } from './offers.ts'
import { Peer } from './peer.ts'
import type { PeerParts } from './peer.ts'
import { reconnector } from './reconnect.ts'
import { settingsOf } from './settings.ts'
import type { Settings } from './settings.ts'

/** Starts the parts of a peer from the bottom up; what has started is stopped if one of them fails. */
export async function startCluster(init: ClusterInit): Promise<Cluster> {
  const settings = settingsOf(init)
  const closers = new Closers()
  try {
    return new Peer(await startParts(settings, closers), closers)
  } catch (error) {
    await closers.close()
    throw error
  }
}

async function startParts(settings: Settings, closers: Closers): Promise<PeerParts> {
  const logger = settings.logger ?? defaultLogger()
  const log = logger.forComponent('murmuration:cluster')
  const { store, privateKey } = await openData(settings, closers)
  const peer = peerIdFromPrivateKey(privateKey).toString()
  const node = settings.distributed
    ? await openNetwork(settings, privateKey, store, closers)
    : undefined
  warn(settings, log)
  const rpc = node?.rpc ?? createLocalRpc({ peer })
  const discovery = node === undefined ? undefined : openDiscovery(settings, node, rpc)
  const shared = { rpc, clock, random, logger, ...metricsOf(node) }
  const membership = openMembership(settings, { ...shared, store }, node, discovery)
  const fields = (): Record<string, number> => ({ view: membership.view?.number ?? 0 })
  const sink = (component: string): LogSink => logSink(logger, component, fields)
  if (node !== undefined) rememberAddresses(node.libp2p, membership, sink('cluster'))
  const identity = node === undefined ? undefined : openIdentity(settings, node, store, sink)
  await start(closers, membership)
  identity?.follow(membership)
  if (identity !== undefined) await start(closers, identity)
  const state = createState({ ...shared, membership, store: store.sub('state/') }, {})
  const signals = createSignals(
    {
      peer,
      clock,
      random,
      logger,
      boot: membership.self.boot,
      ownerOf: (key) => ownerOfShard(key, state),
      ...metricsOf(node),
      ...(node === undefined ? {} : gossipOf(node, rpc, privateKey, identity))
    },
    {
      cluster: settings.name,
      ...(settings.routes === undefined ? {} : { routes: settings.routes })
    }
  )
  const partition = createPartition({ membership, log: sink('partition') })
  const guard = createCallGuard({
    clock,
    isAlive: async (other) => (await discovery?.probe(other)) === 'alive'
  })
  const agentParts = { ...shared, membership, state, signals, partition, guard, log: sink('agent') }
  const { agents, registry } = openAgents(settings, agentParts, sink('registry'))
  await start(closers, partition)
  await start(closers, state)
  await start(closers, agents)
  await start(closers, signals)
  await start(closers, registry)
  if (discovery !== undefined) {
    await start(closers, discovery)
    discovery.offer(offersOf(settings.agents), settings.labels)
  }
  return {
    settings,
    peer,
    node,
    rpc,
    membership,
    state,
    signals,
    partition,
    agents,
    registry,
    discovery,
    identity,
    log: sink('cluster')
  }
}

function warn({ distributed, guarded, dataDir }: Settings, log: Logger): void {
  if (distributed && !guarded) {
    log('no secret and no identity: listening on loopback only, and everybody there may join')
  }
  if (dataDir === undefined) log('no dataDir: keys and state are lost when this process ends')
}

async function openData(
  settings: Settings,
  closers: Closers
): Promise<{ readonly store: Store; readonly privateKey: PrivateKey }> {
  const { dataDir } = settings
  if (dataDir === undefined) {
    return { store: createMemoryStore(), privateKey: await generateKeyPair('Ed25519') }
  }
  const store = await openLevelStore({ path: join(dataDir, 'store') })
  closers.add(() => store.close())
  return { store, privateKey: await loadOrCreateKey(join(dataDir, 'peer.key')) }
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
  sink: (component: string) => LogSink
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
    log: sink('identity'),
    connected: () => libp2p.getPeers().map(String),
    addresses: () => libp2p.getMultiaddrs().map(String)
  })
}

function openDiscovery(
  settings: Settings,
  node: Node,
  rpc: Rpc
): ReturnType<typeof createDiscovery> {
  return createDiscovery(
    { ...componentsOf(node.libp2p), rpc, clock, random },
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

function openMembership(
  settings: Settings,
  parts: MembershipComponents,
  node: Node | undefined,
  discovery: ReturnType<typeof createDiscovery> | undefined
): JoiningMembership {
  const components = discovery === undefined ? parts : { ...parts, discovery }
  if (settings.role !== 'member') {
    const follower = createViewFollower(components, { cluster: settings.name })
    // Members are told of each other by their membership; who follows from outside must know them too.
    follower.addEventListener('view', ({ detail }) => discovery?.keep(detail.view.members))
    return follower
  }
  return createMembership(components, {
    cluster: settings.name,
    labels: settings.labels,
    weight: settings.weight,
    addresses: () => node?.libp2p.getMultiaddrs().map(String) ?? [],
    found: settings.bootstrap.length === 0,
    rolesOf: (peer) => (node === undefined ? ['member'] : (node.admitted.rolesOf(peer) ?? [])),
    serialOf: (peer) => node?.admitted.certificateOf(peer)?.serial
  })
}

/** Each needs the other: agents leave the registry, and the registry begins and ends agents. */
function openAgents(
  settings: Settings,
  parts: AgentComponents & Pick<RegistryComponents, 'signals'>,
  log: LogSink
): { readonly agents: Agents; readonly registry: Registry } {
  const { rpc, membership, state, signals } = parts
  const agents = createAgents(
    { ...parts, registry: { unregister: (id, options) => registry.unregister(id, options) } },
    { types: settings.agents }
  )
  const registry = createRegistry(
    {
      rpc,
      membership,
      placement: () => state.placement(),
      clock,
      signals,
      log,
      tenure: {
        begin: (agent, options) => agents.begin(agent, options),
        end: async (id) => agents.end(id),
        running: (id) => agents.epochOf(id),
        held: (id) => state.records().some((record) => record.id === id)
      }
    },
    { recordOf: (id) => agents.recordOf(id) }
  )
  return { agents, registry }
}

function gossipOf(
  node: Node,
  rpc: Rpc,
  privateKey: PrivateKey,
  identity: Identity | undefined
): Pick<SignalsComponents, 'rpc' | 'gossip' | 'signer' | 'reconnect'> {
  return {
    rpc,
    signer: watchfulSigner(createSignalSigner({ privateKey, clock }), (proof) => {
      // What fails here is in the log, and the peer is refused by this one in any case.
      identity?.accuse(proof).catch(() => {})
    }),
    gossip: gossipsubGossip({
      pubsub: node.pubsub,
      connections: (peer) => node.libp2p.getConnections(peer)
    }),
    reconnect: reconnector(node.libp2p)
  }
}

function metricsOf(node: Node | undefined): { readonly metrics?: Metrics } {
  const metrics = node?.libp2p.metrics
  return metrics === undefined ? {} : { metrics }
}

/** A shard key of a signal is placed as an agent with that shard key would be. */
function ownerOfShard(key: string, state: State): string | undefined {
  return state
    .placement()
    ?.ownerOf({ id: `shard/shard/${key}`, shardKey: key, placement: 'hash', replicas: 1 })?.peer
}

function logSink(
  logger: ComponentLogger,
  component: string,
  common: () => Readonly<Record<string, number>>
): LogSink {
  const log = logger.forComponent(`murmuration:${component}`)
  return (message, fields = {}) => log('%s %o', message, { ...common(), ...fields })
}

async function start(
  closers: Closers,
  service: { start(): unknown; stop(): unknown }
): Promise<void> {
  closers.add(async () => {
    await service.stop()
  })
  await service.start()
}
