import type { ComponentLogger } from '@libp2p/interface'
import { createAgents } from '@murmuration/agent'
import type { AgentComponents, Agents } from '@murmuration/agent'
import { createRegisters } from '@murmuration/consensus'
import type { LogSink, Registry } from '@murmuration/interface'
import { createMembership, createViewFollower } from '@murmuration/membership'
import type { JoiningMembership } from '@murmuration/membership'
import { createPartition } from '@murmuration/partition'
import { createRegistry } from '@murmuration/registry'
import type { RegistryComponents } from '@murmuration/registry'
import { createCallGuard } from '@murmuration/resilience'
import { createSignals } from '@murmuration/signals'
import type { SignalsComponents } from '@murmuration/signals'
import { createState } from '@murmuration/state'
import type { State } from '@murmuration/state'
import type { Closers } from './closers.ts'
import { offersOf } from './offers.ts'
import type { PeerParts } from './peer.ts'
import type { Platform } from './platform.ts'
import type { Settings } from './settings.ts'

/** With fewer than three, one lost disk could leave a view unsettled for good. */
const registerReplicas = [3, 5, 7]

/** Starts the parts of a peer on a platform, from the bottom up. */
export async function assemble(
  platform: Platform,
  settings: Settings,
  closers: Closers
): Promise<PeerParts> {
  const { peer, clock, random, store, rpc, discovery, logger } = platform
  const metrics = platform.metrics === undefined ? {} : { metrics: platform.metrics }
  const shared = { rpc, clock, random, logger, ...metrics }
  const membership = openMembership(platform, settings)
  const fields = (): Record<string, number> => ({ view: membership.view?.number ?? 0 })
  const sink = (component: string): LogSink => logSink(logger, component, fields)
  await start(closers, membership)
  if (platform.identity !== undefined) {
    platform.identity.follow(membership)
    await start(closers, platform.identity)
  }
  const registers = createRegisters(
    { ...shared, membership, store },
    { replicas: registerReplicas }
  )
  await start(closers, registers)
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
      ...metrics,
      ...gossipOf(platform)
    },
    {
      cluster: settings.name,
      ...(settings.routes === undefined ? {} : { routes: settings.routes })
    }
  )
  const partition = createPartition(
    { membership, rpc, clock, log: sink('partition') },
    settings.onPartition === undefined ? {} : { policy: settings.onPartition }
  )
  const guard = createCallGuard({
    clock,
    isAlive: async (other) => (await discovery?.probe?.(other)) === 'alive'
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
    platform,
    membership,
    registers,
    state,
    signals,
    partition,
    agents,
    registry,
    log: sink('cluster')
  }
}

function openMembership(platform: Platform, settings: Settings): JoiningMembership {
  const { rpc, store, clock, random, logger, metrics, discovery, contacts, remember } = platform
  const components = {
    rpc,
    store,
    clock,
    random,
    logger,
    ...(metrics === undefined ? {} : { metrics }),
    ...(discovery === undefined ? {} : { discovery })
  }
  const asked = contacts === undefined ? {} : { contacts }
  if (settings.role !== 'member') {
    const follower = createViewFollower(components, { cluster: settings.name, ...asked })
    follower.addEventListener('view', ({ detail }) => {
      remember?.(detail.view.members)
      // Members are told of each other by their membership; who follows from outside must know them.
      discovery?.keep(detail.view.members)
    })
    return follower
  }
  const membership = createMembership(components, {
    cluster: settings.name,
    labels: settings.labels,
    weight: settings.weight,
    addresses: () => platform.addresses?.() ?? [],
    found: platform.found ?? true,
    reporters: ['state', 'registers'],
    rolesOf: (peer) => platform.rolesOf?.(peer) ?? ['member'],
    serialOf: (peer) => platform.serialOf?.(peer),
    ...asked
  })
  membership.addEventListener('view', ({ detail }) => remember?.(detail.view.members))
  return membership
}

/** Each needs the other: agents leave the registry, and the registry begins and ends agents. */
function openAgents(
  settings: Settings,
  parts: AgentComponents & Pick<RegistryComponents, 'signals'>,
  log: LogSink
): { readonly agents: Agents; readonly registry: Registry } {
  const { rpc, clock, membership, state, signals } = parts
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

/** Without gossip there is nobody to send signals to, and nothing to sign. */
function gossipOf({
  rpc,
  gossip,
  signer,
  reconnect,
  defer
}: Platform): Pick<SignalsComponents, 'rpc' | 'gossip' | 'signer' | 'reconnect' | 'defer'> {
  const turn = defer === undefined ? {} : { defer }
  return gossip === undefined ? turn : { rpc, gossip, signer, reconnect, ...turn }
}

/** A shard key of a signal is placed as an agent with that shard key would be. */
function ownerOfShard(key: string, state: State): string | undefined {
  return state
    .placement()
    ?.ownerOf({ id: `shard/shard/${key}`, shardKey: key, placement: 'hash', replicas: 1 })?.peer
}

/** Lines of text with fields; those of `common` are added to each. */
export function logSink(
  logger: ComponentLogger,
  component: string,
  common: () => Readonly<Record<string, number>> = () => ({})
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
