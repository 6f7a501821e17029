import type { Clock, Random, Store } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { systemClock, systemRandom } from '@murmuration/system'
import { BatchSeal } from './batches.ts'
import type { SignalsComponents, SignalsInit } from './components.ts'
import { Budget } from './core/budget.ts'
import type { Mutants } from './core/mutants.ts'
import { checkCluster, targetName } from './core/pattern.ts'
import { Counters } from './counters.ts'
import * as defaults from './defaults.ts'
import { Events } from './events.ts'
import { createLocalSigner } from './local-signer.ts'
import { Peers } from './peers.ts'
import { systemDefer } from './system-defer.ts'

/** What a bus tells its parts while it runs. */
export interface Running {
  /** Fires when the bus stops. */
  readonly stopped: () => AbortSignal
  readonly boot: () => number
  /** Resolves when the store has been read. */
  readonly loaded: Promise<void>
}

/** What all parts of a bus share. */
export interface Ground extends Running {
  readonly self: string
  readonly cluster: string
  /** Channel of signals for this peer alone. */
  readonly own: string
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly events: Events
  readonly peers: Peers
  readonly seal: BatchSeal
  readonly budget: Budget
  readonly mutants: Mutants
  /** W. */
  readonly copiesWanted: number
  readonly logBytesMax: number
  readonly logAgeMs: number
  readonly defer: (task: () => void) => void
  readonly report: (what: string, error: unknown) => void
  readonly onCorrupt: (key: string, error: unknown) => void
}

/** Checks the options and fills them in. Throws `InvalidParametersError`. */
export function groundOf(
  components: SignalsComponents,
  init: SignalsInit,
  mutants: Mutants,
  running: Running
): Ground {
  const { gossip, metrics, peer: self, random = systemRandom } = components
  const clock = wholeMilliseconds(components.clock ?? systemClock)
  const cluster = checkCluster(init.cluster ?? defaults.clusterDefault)
  const logger = components.logger?.forComponent('murmuration:signals')
  const counters = new Counters(metrics)
  const events = new Events(counters)
  const { logBytesMaxDefault, logMemoryBytesMax } = defaults
  const logAgeMs = positive('log.ageMs', init.log?.ageMs ?? defaults.logAgeMsDefault)
  const bytesMax = components.store === undefined ? logMemoryBytesMax : logBytesMaxDefault
  return {
    ...running,
    self,
    cluster,
    own: targetName(cluster, self),
    store: components.store ?? createMemoryStore(),
    clock,
    random,
    counters,
    events,
    peers: new Peers({ self, gossip, view: components.view }),
    seal: newSeal(components, { cluster, clock, logAgeMs, boot: running.boot }),
    budget: new Budget({
      messagesPerSecond: positive(
        'budget.messagesPerSecond',
        init.budget?.messagesPerSecond ?? defaults.budgetMessagesPerSecond
      ),
      bytesPerSecond: positive(
        'budget.bytesPerSecond',
        init.budget?.bytesPerSecond ?? defaults.budgetBytesPerSecond
      ),
      peersMax: defaults.outboxesMax
    }),
    mutants,
    copiesWanted: copiesOf(init.copies ?? defaults.copiesDefault),
    logBytesMax: positive('log.bytesMax', init.log?.bytesMax ?? bytesMax),
    logAgeMs,
    defer: components.defer ?? systemDefer,
    report: (what, error) => logger?.error('%s - %e', what, error),
    onCorrupt: (key, error) => {
      logger?.error('the value under %s is damaged - %e', key, error)
      events.corrupt(key, error)
    }
  }
}

/** Times are stored and sent as whole numbers; a clock may be finer. */
function wholeMilliseconds(clock: Clock): Clock {
  return {
    now: () => Math.trunc(clock.now()),
    monotonic: () => clock.monotonic(),
    schedule: (delayMs, task) => clock.schedule(delayMs, task)
  }
}

function newSeal(
  { authors, gossip, members, peer, rpc, signer }: SignalsComponents,
  rest: Pick<Ground, 'cluster' | 'clock' | 'logAgeMs' | 'boot'>
): BatchSeal {
  if (signer === undefined && (gossip !== undefined || rpc !== undefined)) {
    throw new InvalidParametersError('signer is needed with gossip or rpc')
  }
  if (authors !== undefined && signer !== undefined && signer.claimed === undefined) {
    throw new InvalidParametersError(
      'a signer must tell what is claimed, where authors are checked'
    )
  }
  // Without a network nobody else is heard of.
  const local = signer === undefined
  const own = { ...rest, members, authors: local ? undefined : authors }
  return new BatchSeal({ ...own, signer: signer ?? createLocalSigner(peer, rest.clock) })
}

function copiesOf(copies: number): number {
  if (!Number.isSafeInteger(copies) || copies < 1 || copies > defaults.copiesMax) {
    throw new InvalidParametersError(
      `copies must be a whole number from 1 to ${defaults.copiesMax}`
    )
  }
  return copies
}

function positive(name: string, value: number): number {
  if (!(value > 0 && Number.isFinite(value))) {
    throw new InvalidParametersError(`${name} must be a positive number`)
  }
  return value
}
