import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import type { ComponentLogger, Metrics, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createRegisters } from '@murmuration/consensus'
import { bootstrap, componentsOf, createDiscovery, mdns } from '@murmuration/discovery'
import type { Libp2pParts } from '@murmuration/discovery'
import { loadOrCreateKey } from '@murmuration/identity'
import type { LogSink, Rpc, Store } from '@murmuration/interface'
import { createMembership, createViewFollower } from '@murmuration/membership'
import type { JoiningMembership, MembershipComponents } from '@murmuration/membership'
import { createPartition } from '@murmuration/partition'
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
import { openAgents } from './agents.ts'
import { Closers } from './closers.ts'
import { credentialsOf } from './credentials.ts'
import { defaults } from './defaults.ts'
import type { Cluster, ClusterInit } from './index.ts'
import { isolatedParts } from './isolated.ts'
import { rememberPorts, withKnownPorts } from './listen.ts'
import { startNode } from './node.ts'
import type { Node } from './node.ts'
import { MachineWatch } from './machine-load.ts'
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
  if (settings.distributed && !settings.guarded) {
    log('no secret and no identity: listening on loopback only, and everybody there may join')
  }
  if (settings.dataDir === undefined)
    log('no dataDir: keys and state are lost when this process ends')
  const rpc = node?.rpc ?? createLocalRpc({ peer })
  const discovery = openDiscovery(
    settings,
    node === undefined
      ? isolatedParts(peerIdFromPrivateKey(privateKey), logger)
      : componentsOf(node.libp2p),
    rpc
  )
  const shared = { rpc, clock, random, logger, ...metricsOf(node) }
  const membership = openMembership(settings, { ...shared, store }, node, discovery)
  const fields = (): Record<string, number> => ({ view: membership.view?.number ?? 0 })
  const sink = (component: string): LogSink => logSink(logger, component, fields)
  if (node !== undefined) rememberAddresses(node.libp2p, membership, sink('cluster'))
  await start(closers, membership)
  const state = createState({ ...shared, membership, store: store.sub('state/') }, {})
  const signals = createSignals(
    {
      peer,
      clock,
      random,
      logger,
      store: store.sub('signals/'),
      // Boots of membership begin anew with a lost disk; those of signals must not.
      view: () => membership.view?.members.map((member) => member.peer) ?? [],
      ownerOf: (key) => ownerOfShard(key, state),
      ...metricsOf(node),
      ...(node === undefined ? {} : gossipOf(node, rpc, privateKey))
    },
    {
      cluster: settings.name,
      ...(settings.routes === undefined ? {} : { routes: settings.routes })
    }
  )
  const partition = createPartition({ membership, log: sink('partition') })
  const guard = createCallGuard({
    clock,
    isAlive: async (other) => (await discovery.probe(other)) === 'alive'
  })
  const registers =
    settings.role === 'member' && settings.distributed
      ? createRegisters({ ...shared, membership, store })
      : undefined
  const watch = new MachineWatch(clock)
  const { agents, registry } = openAgents(settings, {
    ...shared,
    store,
    membership,
    state,
    registers,
    signals,
    partition,
    guard,
    machine: () => watch.load(),
    sink
  })
  await start(closers, watch)
  await start(closers, partition)
  await start(closers, state)
  if (registers !== undefined) await start(closers, registers)
  await start(closers, agents)
  await start(closers, signals)
  await start(closers, registry)
  await start(closers, discovery)
  discovery.offer(offersOf(settings.agents), settings.labels)
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
    log: sink('cluster')
  }
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
  const credentials = await credentialsOf(settings, privateKey)
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
  closers.add(sweepRegularly(node))
  await rememberPorts(settings.listen, node.libp2p.getMultiaddrs().map(String), kept)
  return node
}

/** Cuts peers whose certificate has expired; they come back with the one they have renewed. */
function sweepRegularly(node: Node): () => void {
  let cancel = (): void => undefined
  const again = (): void => {
    cancel = clock.schedule(defaults.sweepMs, () => {
      // Each cut connection is logged where it is cut; the sweep has no failure of its own.
      void node.admitted.sweep()
      again()
    })
  }
  again()
  return () => cancel()
}

function openDiscovery(
  settings: Settings,
  network: Libp2pParts,
  rpc: Rpc
): ReturnType<typeof createDiscovery> {
  return createDiscovery(
    { ...network, rpc, clock, random },
    {
      strategies: [
        ...(settings.bootstrap.length === 0 ? [] : [bootstrap({ addresses: settings.bootstrap })]),
        ...(settings.mdns ? [mdns()] : [])
      ]
    }
  )
}

function openMembership(
  settings: Settings,
  parts: MembershipComponents,
  node: Node | undefined,
  discovery: ReturnType<typeof createDiscovery>
): JoiningMembership {
  const components = node === undefined ? parts : { ...parts, discovery }
  if (settings.role !== 'member') {
    const follower = createViewFollower(components, { cluster: settings.name })
    // Members are told of each other by their membership; who follows from outside must know them too.
    follower.addEventListener('view', ({ detail }) => discovery.keep(detail.view.members))
    return follower
  }
  return createMembership(components, {
    cluster: settings.name,
    labels: settings.labels,
    weight: settings.weight,
    addresses: () => node?.libp2p.getMultiaddrs().map(String) ?? [],
    found: settings.bootstrap.length === 0,
    // A view is settled when the data of both is where it belongs.
    reporters: settings.distributed ? ['state', 'registers'] : ['state'],
    rolesOf: (peer) => (node === undefined ? ['member'] : (node.admitted.rolesOf(peer) ?? []))
  })
}

function gossipOf(
  node: Node,
  rpc: Rpc,
  privateKey: PrivateKey
): Pick<SignalsComponents, 'rpc' | 'gossip' | 'signer' | 'reconnect'> {
  return {
    rpc,
    signer: createSignalSigner({ privateKey, clock }),
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
