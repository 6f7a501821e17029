import type { AgentRecord, SelfIdentity } from '@murmuration/interface'
import { AntiEntropy } from './anti-entropy.ts'
import type { Context, HeldDocument } from './context.ts'
import type { CopyProgress, StateComponents } from './contract.ts'
import { ClockOffsets } from './core/clock-offsets.ts'
import { Coverage } from './core/coverage.ts'
import { edgeIncarnation, memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import type { Mutants } from './core/mutants.ts'
import { Predecessors } from './core/predecessors.ts'
import type { PredecessorsInit } from './core/predecessors.ts'
import { lifeOf, writerName } from './core/writers.ts'
import { Disk } from './disk.ts'
import type { Counters } from './metrics.ts'
import { Offers } from './offers.ts'
import { Ownership } from './ownership.ts'
import { homesOf, homesOfEdge } from './placements.ts'
import { Preparing } from './preparing.ts'
import { Reader } from './reader.ts'
import { Replica } from './replica.ts'
import { Senders } from './senders.ts'
import type { Settings } from './settings.ts'
import { Settling } from './settling.ts'
import type { StreamLimits } from './streams.ts'
import { Strong } from './strong.ts'
import { Table } from './table.ts'
import { TakeOver } from './take-over.ts'
import type { Tenure } from './tenure.ts'
import { Transfer } from './transfer.ts'

/** What the parts tell the service. */
export interface PartsInit {
  readonly components: StateComponents
  readonly settings: Settings
  readonly mutants: Mutants
  readonly streams: StreamLimits
  readonly counters: Counters
  readonly changed: (held: HeldDocument) => void
  readonly merged: (held: HeldDocument) => void
  readonly copying: (progress: CopyProgress) => void
  readonly tenureChanged: (tenure: Tenure, status: 'begun' | 'ended') => void
}

/** Everything that lives between `start` and `stop`. */
export class Parts {
  readonly context: Context
  readonly ownership: Ownership
  readonly settling: Settling
  readonly antiEntropy: AntiEntropy
  readonly senders: Senders
  readonly preparing: Preparing
  readonly #controller = new AbortController()
  readonly #transfer: Transfer
  readonly #replica: Replica
  readonly #offers: Offers
  readonly #takeOver: TakeOver
  readonly #reader: Reader
  readonly #strong: Strong

  constructor(init: PartsInit) {
    const { components, settings } = init
    const self = memberKey(selfOf(components))
    this.context = this.#contextOf(init, self)
    const { context } = this
    this.#transfer = new Transfer(context)
    this.senders = new Senders(context, self)
    this.settling = new Settling(context)
    this.antiEntropy = new AntiEntropy(context, self)
    this.ownership = new Ownership(context, {
      self,
      followers: () => ({
        senders: this.senders,
        settling: this.settling,
        collect: () => this.#takeOver.begin(),
        want: (record) => this.#takeOver.want(record),
        compareSoon: () => this.antiEntropy.soon(settings.compareMs / 4)
      })
    })
    this.#replica = new Replica(context, this.#transfer)
    const replica = this.#replica
    this.#offers = new Offers(context, replica)
    const progress = (): void => this.ownership.progress()
    this.#takeOver = new TakeOver(context, { replica, self, progress })
    const own = (record: AgentRecord, signal: AbortSignal): Promise<Tenure> =>
      this.ownership.own(record, { signal })
    this.preparing = new Preparing(context)
    this.#reader = new Reader(context, { replica, own })
    this.#strong = new Strong(context, { replica, own, registers: components.registers })
  }

  /** What the parts share; some of it is there only when all of them are. */
  #contextOf(init: PartsInit, self: MemberKey): Context {
    const { components, counters, mutants, settings, streams } = init
    const { edge, membership } = components
    const { peer } = membership.self
    const homes = edge === undefined ? homesOf : homesOfEdge(peer)
    const identity = (): SelfIdentity => selfOf(components)
    const log = components.logger?.forComponent('murmuration:state')
    const transfer = (): Transfer => this.#transfer
    return {
      rpc: components.rpc,
      membership,
      get self() {
        return identity()
      },
      edge,
      homes,
      clock: components.clock,
      random: components.random,
      log,
      counters,
      settings,
      mutants,
      streams,
      table: new Table({ mutants, documentsMax: settings.documentsMax }),
      disk: new Disk({
        store: components.store.sub('state/'),
        mutants,
        clock: components.clock,
        onCorrupt: (error) => {
          counters.corrupt?.increment()
          log?.error('%s; it is put aside and fetched from replicas', error.message)
        }
      }),
      offsets: new ClockOffsets(),
      coverage: new Coverage({ peer, homes, mutants }),
      leases: components.leases,
      predecessors: predecessorsOf(components, { self, homes, mutants }),
      get transfer() {
        return transfer()
      },
      signal: this.#controller.signal,
      nextWriter: writers(self, () => identity().boot, mutants),
      goesOn: components.goesOn ?? (() => false),
      mayPin: components.mayPin ?? (() => true),
      crowded: () => this.settling.crowded,
      changed: (held) => {
        this.settling.touched(held)
        init.changed(held)
      },
      merged: init.merged,
      copying: init.copying,
      send: (tenure) => this.senders.notify(tenure),
      tenureSynced: (tenure, own) => this.#synced(tenure, own),
      consider: (held) => this.ownership.consider(held),
      tenureChanged: init.tenureChanged
    }
  }

  get strong(): Strong {
    return this.#strong
  }

  get reader(): Reader {
    return this.#reader
  }

  /** Reads the disk, then answers others. */
  async start(): Promise<void> {
    const { disk, edge, mutants, table } = this.context
    const found = await disk.load()
    const loaded = mutants.countDamaged === true ? { ...found, damaged: new Set<string>() } : found
    for (const copy of loaded.copies) {
      table.put(copy).damaged = loaded.damaged.has(copy.record.id)
    }
    loaded.damaged.forEach((id) => table.damaged.add(id))
    loaded.boots.forEach((boot, peer) => table.boots.set(peer, boot))
    this.#transfer.register()
    this.#replica.register()
    this.#offers.register()
    this.#takeOver.register()
    this.#reader.register()
    this.preparing.register()
    this.#strong.register()
    edge?.lost.addEventListener('abort', this.#onLost)
    this.antiEntropy.start()
    this.settling.start()
  }

  async stop(): Promise<void> {
    const { disk, edge, table } = this.context
    edge?.lost.removeEventListener('abort', this.#onLost)
    this.#transfer.unregister()
    this.#replica.unregister()
    this.#offers.unregister()
    this.#takeOver.unregister()
    this.#reader.unregister()
    this.preparing.unregister()
    this.#strong.unregister()
    this.antiEntropy.stop()
    this.settling.stop()
    for (const held of table.values()) {
      held.tenure?.end('stop')
    }
    this.#controller.abort()
    this.senders.stop()
    this.ownership.stop()
    await disk.stop()
  }

  /** The settled view moved. */
  settled(): void {
    const { coverage, membership, settings } = this.context
    const { round } = coverage
    if (round === undefined) {
      return
    }
    const { settled: number } = membership
    this.context.predecessors.settled(number)
    this.settling.refold()
    // What was found damaged is short of copies though all were asked: it may need fewer of them now.
    const isShort = !coverage.complete(round) || round.damaged.size > 0
    if (isShort && !coverage.knows(number, membership.unsettledViews())) {
      // Replies that were asked for under the older settled view must not count for fewer sets.
      this.#takeOver.begin()
    }
    if (number === membership.view?.number) {
      this.antiEntropy.soon(settings.compareMs / 4)
    }
  }

  readonly #onLost = (): void => this.ownership.endAll()

  #synced({ held }: Tenure, own: boolean): void {
    const { disk, log, table } = this.context
    this.settling.touched(held)
    if (own && (held.damaged || table.damaged.has(held.id))) {
      held.damaged = false
      table.damaged.delete(held.id)
      disk.clearDamage(held.id).catch((error: unknown) => {
        // The mark stays on disk: at the next start the copy is replaced once more.
        log?.('could not clear the mark of damage of %s: %e', held.id, error)
      })
    }
  }
}

/** Where there are no leases, and in mutants, nobody is waited for. */
function predecessorsOf(
  { leases }: StateComponents,
  { mutants, ...init }: Pick<PredecessorsInit, 'self' | 'homes'> & { readonly mutants: Mutants }
): Predecessors {
  const hasNone = leases === undefined || mutants.noLeaseWait === true
  return new Predecessors({
    ...init,
    mayReplace: (owner) => hasNone || leases.mayReplace(owner)
  })
}

/** A member owns under its boot, an edge peer under the number of its seat. */
function selfOf({ edge, membership }: StateComponents): SelfIdentity {
  const { self } = membership
  if (edge === undefined) return self
  return { peer: self.peer, incarnation: edgeIncarnation, boot: edge.number ?? 0 }
}

/** Names for dots: one life of a disk, one process start, and a number within it. */
function writers(self: MemberKey, boot: () => number, mutants: Mutants): () => string {
  const life = lifeOf(self)
  if (mutants.sameWriterAfterRestart === true) {
    return () => life
  }
  let number = 0
  return () => writerName({ life, boot: boot(), number: number++ })
}
