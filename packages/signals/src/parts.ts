import type { Rpc } from '@murmuration/interface'
import { Asking } from './asking.ts'
import { ClusterRoute } from './cluster-route.ts'
import type { SignalsComponents } from './components.ts'
import { Copies } from './copies.ts'
import { countedRpc } from './counted-rpc.ts'
import { Dispatcher } from './core/dispatcher.ts'
import { targetName, topicName, topicsOfPattern } from './core/pattern.ts'
import type { StreamName } from './core/streams.ts'
import { DeadLetterQueue } from './dead-letter-queue.ts'
import { DurableSubscriptions } from './durable-subscriptions.ts'
import { Exchanges } from './exchanges.ts'
import { Expiring } from './expiring.ts'
import type { Ground } from './ground.ts'
import { History } from './history.ts'
import { Intake } from './intake.ts'
import { LiveRepair } from './live-repair.ts'
import { SignalLog } from './log.ts'
import { Mending } from './mending.ts'
import { Orders } from './orders.ts'
import { Progress } from './progress.ts'
import { Registering } from './registering.ts'
import { Registrations } from './registrations.ts'
import { Serving } from './serving.ts'
import { Snapshots } from './snapshots.ts'
import { TargetedRoute } from './targeted-route.ts'
import { Telling } from './telling.ts'
import { Tidying } from './tidying.ts'
import { Told } from './told.ts'

/** What calls back: known only once all is made, and used only once the bus has started. */
interface Wires {
  cluster: ClusterRoute | undefined
  targeted: TargetedRoute | undefined
  durable: DurableSubscriptions | undefined
  expiring: Expiring | undefined
  telling: Telling | undefined
  tidying: Tidying | undefined
  liveRepair: LiveRepair | undefined
  mending: Mending | undefined
  exchanges: Exchanges | undefined
}

/** What a bus keeps in its store. */
interface Kept {
  readonly snapshots: Snapshots
  readonly log: SignalLog
  readonly orders: Orders
  readonly progress: Progress
  readonly registrations: Registrations
  readonly deadLetters: DeadLetterQueue
  readonly history: History
}

/** The parts of a bus, each of which does one thing. */
export interface Parts extends Kept {
  readonly dispatcher: Dispatcher
  readonly intake: Intake
  readonly durable: DurableSubscriptions
  readonly cluster: ClusterRoute | undefined
  readonly targeted: TargetedRoute
  readonly serving: Serving | undefined
  readonly exchanges: Exchanges | undefined
}

/** Puts the parts together. */
export function assemble(ground: Ground, components: SignalsComponents): Parts {
  const wires: Wires = {
    cluster: undefined,
    targeted: undefined,
    durable: undefined,
    expiring: undefined,
    telling: undefined,
    tidying: undefined,
    liveRepair: undefined,
    mending: undefined,
    exchanges: undefined
  }
  const { gossip } = components
  const rpc = components.rpc && countedRpc(components.rpc, ground.counters)
  const kept = keep(ground, rpc, wires)
  const dispatcher = newDispatcher(ground, kept, wires)
  const copies = new Copies({ ...ground, rpc })
  const intake = new Intake({
    ...ground,
    ...kept,
    dispatcher,
    listens: (channel) => channel === ground.own || wires.cluster?.joinedAt(channel) !== undefined,
    subscribers: (channel) => gossip?.subscribers(channel) ?? [],
    onKept: (peers) => {
      if (ground.mutants.noComparing !== true) {
        wires.exchanges?.compare(peers)
      }
    },
    onGap: (name) => wires.liveRepair?.repair(name),
    onLoss: (loss, reason) => ground.events.loss(loss, reason)
  })
  const telling = newTelling(ground, kept, rpc, wires)
  const shared = { ...ground, ...kept, dispatcher, copies, intake, telling }
  const durable = newDurable(shared, rpc, wires)
  const asking = rpc && new Asking({ ...shared, rpc })
  if (asking !== undefined) {
    wires.liveRepair = new LiveRepair({ ...shared, asking })
    wires.mending = newMending(shared, asking, durable)
  }
  const exchanges = rpc && newExchanges(shared, rpc, wires)
  wires.exchanges = exchanges
  wires.cluster =
    gossip &&
    new ClusterRoute({
      ...shared,
      gossip,
      onPeer: (peer) => exchanges?.appeared(peer)
    })
  wires.targeted = new TargetedRoute({
    ...shared,
    // It counts what it refuses, each with its reason.
    rpc: components.rpc,
    wanted: (type) => durable.wanted(type, ground.self)
  })
  const { cluster, targeted } = wires
  return {
    ...kept,
    dispatcher,
    intake,
    durable,
    cluster,
    targeted,
    serving: rpc && new Serving({ ...shared, rpc }),
    exchanges
  }
}

function keep(ground: Ground, rpc: Rpc | undefined, wires: Wires): Kept {
  const { counters, events, logAgeMs, logBytesMax } = ground
  const snapshots = new Snapshots(ground)
  const log = new SignalLog({
    ...ground,
    snapshots,
    bytesMax: logBytesMax,
    ageMs: logAgeMs,
    onAppend: (row) => wires.durable?.kick(row.stream),
    onExpire: async (row) =>
      (await wires.expiring?.expire(row)) ?? { letters: [], written: () => undefined }
  })
  return {
    snapshots,
    log,
    orders: new Orders({
      ...ground,
      repairs: rpc !== undefined,
      // What is too old leaves the log, also where nothing comes any more.
      onTick: () => void log.trim()
    }),
    progress: new Progress({ ...ground, onWritten: (notes) => wires.telling?.written(notes) }),
    registrations: new Registrations(ground),
    deadLetters: new DeadLetterQueue({
      ...ground,
      onDead: (letter) => events.dead(letter),
      onDropped: (letter) => {
        counters.count('dead-letter-dropped')
        events.dropped(letter)
      }
    }),
    history: new History({
      ...ground,
      log,
      unlogged: () => [
        ...(wires.cluster?.sender.unlogged() ?? []),
        ...(wires.targeted?.unlogged() ?? [])
      ]
    })
  }
}

function newDispatcher({ counters, report }: Ground, { history }: Kept, wires: Wires): Dispatcher {
  return new Dispatcher({
    topic: (number, wanted) => wires.cluster?.want(number, wanted),
    delivered: () => counters.count('delivered'),
    dropped: () => counters.count('queue-full'),
    failed: (pattern, error) => {
      counters.count('handler-error')
      report(`the subscription to ${pattern} failed`, error)
    },
    replay: (from, subscription) => history.feed(from, subscription)
  })
}

type Shared = Ground &
  Kept & {
    readonly dispatcher: Dispatcher
    readonly intake: Intake
    readonly telling: Telling
  }

function newTelling(ground: Ground, kept: Kept, rpc: Rpc | undefined, wires: Wires): Telling {
  const telling = new Telling({
    ...ground,
    ...kept,
    rpc,
    onProgress: (id, name) => wires.durable?.progressed(id, name)
  })
  wires.telling = telling
  return telling
}

/** With what it leaves to be done when signals, and streams, come to their end. */
function newDurable(
  shared: Omit<Shared, 'intake'>,
  rpc: Rpc | undefined,
  wires: Wires
): DurableSubscriptions {
  const { boot, cluster, dispatcher, own, self } = shared
  const ownHead = (channel: string): (StreamName & { readonly head: number }) | undefined => {
    const head = wires.cluster?.sender.head(channel) ?? wires.targeted?.head(channel)
    return head === undefined ? undefined : { author: self, boot: boot(), channel, head }
  }
  const durable = new DurableSubscriptions({
    ...shared,
    registering: new Registering({ ...shared, rpc, ownHead }),
    channelsOf: (pattern) => [
      ...topicsOfPattern(pattern).map((number) => topicName(cluster, number)),
      own
    ],
    need: (pattern, needed) => dispatcher.need(pattern, needed),
    onHole: (name) => wires.mending?.mend(name),
    onCheck: () => wires.tidying?.tick()
  })
  wires.durable = durable
  wires.tidying = new Tidying({ ...shared, hole: (name) => durable.hole(name) })
  wires.expiring = new Expiring({
    ...shared,
    targetOf: (peer) => targetName(cluster, peer),
    isOpen: (id) => durable.isOpen(id)
  })
  return durable
}

function newMending(shared: Shared, asking: Asking, durable: DurableSubscriptions): Mending {
  const { counters, events } = shared
  return new Mending({
    ...shared,
    asking,
    told: new Told(shared.log),
    hole: (name) => durable.hole(name),
    onLost: (loss, reason) => {
      counters.count('lost', loss.to - loss.from + 1)
      events.loss(loss, reason)
      durable.kick(loss)
    }
  })
}

function newExchanges(shared: Shared, rpc: Rpc, wires: Wires): Exchanges {
  const { mutants, own, self, telling } = shared
  return new Exchanges({
    ...shared,
    rpc,
    channels: () => [...(wires.cluster?.topics() ?? []), own],
    onHead: (name, head, peer) => {
      if (mutants.noExchange === true) {
        return
      }
      const since = wires.cluster?.joinedAt(name.channel)
      if (name.author !== self && since !== undefined) {
        wires.liveRepair?.announced(name, { head, peer, since })
      }
      wires.mending?.told(name, head, peer)
    },
    notes: (seen) => telling.notes(seen),
    onNotes: (notes, peer) => telling.take(notes, peer)
  })
}
