import type { ComponentLogger } from '@libp2p/interface'
import { createRegisters } from '@murmuration/consensus'
import type { LogSink, Signals } from '@murmuration/interface'
import { createMembership, createViewFollower } from '@murmuration/membership'
import type { JoiningMembership } from '@murmuration/membership'
import { createCallGuard } from '@murmuration/resilience'
import { createSignals } from '@murmuration/signals'
import type { SignalsComponents } from '@murmuration/signals'
import { createState } from '@murmuration/state'
import type { State, StateComponents } from '@murmuration/state'
import { openAgents } from './agents.ts'
import type { Closers } from './closers.ts'
import { mayPinOf, openEdges } from './edges.ts'
import { ClusterMotion } from './motion.ts'
import type { MotionParts } from './motion.ts'
import { MergeReports } from './merge-report.ts'
import { FirstAgents } from './first-agents.ts'
import { offersOf } from './offers.ts'
import type { PeerParts } from './peer.ts'
import type { Platform } from './platform.ts'
import type { Settings } from './settings.ts'
import { openRecovery } from './recovery.ts'
import { goesOnOf, openSides } from './sides.ts'

/** Starts the parts of a peer on a platform, from the bottom up. */
export async function assemble(
  platform: Platform,
  settings: Settings,
  closers: Closers
): Promise<PeerParts> {
  const { clock, random, store, rpc, discovery, logger } = platform
  const metrics = platform.metrics === undefined ? {} : { metrics: platform.metrics }
  const shared = { rpc, clock, random, logger, ...metrics }
  const membership = openMembership(platform, settings)
  const fields = (): Record<string, number> => ({ view: membership.view?.number ?? 0 })
  const sink = (component: string): LogSink => logSink(logger, component, fields)
  await startMembership(platform, membership, closers)
  // Who only follows the view asks the owners; it is no replica of anything.
  const registers =
    settings.role === 'member' ? createRegisters({ ...shared, membership, store }) : undefined
  const seating = { membership, registers, log: sink('seat') }
  const { edge, services, ...seats } = openEdges(platform, settings, seating)
  const splitting = { membership, rpc, clock, log: sink('partition'), ...seats }
  const { partition, leases, branches } = openSides(settings, splitting)
  // What merges is placed by the branch of this side, where there is one.
  const placed = branches ?? membership
  const holding = { ...shared, membership: placed, registers, leases, edge }
  const state = openDocuments(platform, settings, holding)
  const signals = openSignals(platform, settings, { membership, state })
  const isAlive = async (other: string): Promise<boolean> =>
    (await discovery?.probe?.(other)) === 'alive'
  const guard = createCallGuard({ clock, isAlive })
  const merging = { state, partition, clock, log: sink('partition') }
  const reports = branches === undefined ? undefined : new MergeReports(merging)
  const { agents, registry } = openAgents(settings, {
    ...shared,
    store,
    membership,
    placed,
    state,
    // Alone there is nobody to claim from.
    registers: settings.distributed ? registers : undefined,
    signals,
    partition,
    stateOf: (branch, id) => reports?.resultOf(branch, id),
    leaseOf: leases === undefined ? undefined : (id) => leases.of(id),
    guard,
    machine: platform.machine,
    openRegistry: platform.openRegistry,
    sink
  })
  const hints = settings.role === 'member' ? platform.hints?.publish(membership) : undefined
  const moving = { membership, partition, state, agents, log: sink('motion') }
  const { motion, firstAgents } = openMotion(platform, settings, moving)
  const recovery = openRecovery(settings, { rpc, membership, state, discovery })
  const lower = [partition, branches, state, registers, ...services, agents, signals, registry]
  for (const service of [...lower, hints, reports, recovery, motion, firstAgents]) {
    if (service !== undefined) await start(closers, service)
  }
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
    recovery,
    motion,
    log: sink('cluster')
  }
}

/** With its certificates, which follow what the view revokes. */
async function startMembership(
  { identity }: Platform,
  membership: JoiningMembership,
  closers: Closers
): Promise<void> {
  await start(closers, membership)
  if (identity === undefined) return
  identity.follow(membership)
  await start(closers, identity)
}

/** Only members own agents; alone there is nobody to have them from. */
function openMotion(
  { rpc, clock, random }: Platform,
  { role, distributed, motion }: Settings,
  parts: Omit<MotionParts, 'rpc' | 'clock' | 'random'>
): { readonly motion?: ClusterMotion; readonly firstAgents?: FirstAgents } {
  if (role !== 'member' || !distributed) return {}
  const all = { ...parts, rpc, clock, random }
  return { motion: new ClusterMotion(all, motion), firstAgents: new FirstAgents(all, motion) }
}

/** Documents on the disk of this peer. */
function openDocuments(
  { openState = createState, store }: Platform,
  settings: Settings,
  components: Omit<StateComponents, 'store' | 'goesOn' | 'mayPin'>
): State {
  const rules = { goesOn: goesOnOf(settings), mayPin: mayPinOf(settings) }
  return openState({ ...components, ...rules, store: store.sub('state/') })
}

/** The bus, over gossip where there is some. */
function openSignals(
  platform: Platform,
  settings: Settings,
  { membership, state }: { readonly membership: JoiningMembership; readonly state: State }
): Signals {
  const { peer, clock, random, store, logger, metrics } = platform
  const { name: cluster, routes } = settings
  return createSignals(
    {
      peer,
      clock,
      random,
      logger,
      store: store.sub('signals/'),
      // Boots of membership begin anew with a lost disk; those of signals must not.
      view: () => membership.view?.members.map((member) => member.peer) ?? [],
      ownerOf: (key) => ownerOfShard(key, state),
      ...(metrics === undefined ? {} : { metrics }),
      ...gossipOf(platform)
    },
    { cluster, ...settings.signals, ...(routes === undefined ? {} : { routes }) }
  )
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
    gradual: true,
    addresses: () => platform.addresses?.() ?? [],
    found: platform.found ?? true,
    // A view is settled when the data of both is where it belongs.
    reporters: ['state', 'registers'],
    rolesOf: (peer) => platform.rolesOf?.(peer) ?? ['member'],
    serialOf: (peer) => platform.serialOf?.(peer),
    ...asked
  })
  membership.addEventListener('view', ({ detail }) => remember?.(detail.view.members))
  return membership
}

/** Without gossip there is nobody to send signals to, and nothing to sign. */
function gossipOf({
  rpc,
  gossip,
  signer,
  authors,
  defer
}: Platform): Pick<SignalsComponents, 'rpc' | 'gossip' | 'signer' | 'authors' | 'defer'> {
  const turn = defer === undefined ? {} : { defer }
  return gossip === undefined ? turn : { rpc, gossip, signer, authors, ...turn }
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
