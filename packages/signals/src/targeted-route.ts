import type { Clock, Rpc, RpcContext, Signal } from '@murmuration/interface'
import {
  InvalidSignatureError,
  MalformedMessageError,
  NotAdmittedError,
  OverloadedError
} from '@murmuration/interface'
import type { BatchSeal, OpenedBatch } from './batches.ts'
import type { Copies } from './copies.ts'
import type { Budget } from './core/budget.ts'
import type { Dispatcher, LocalOutcome } from './core/dispatcher.ts'
import type { Mutants } from './core/mutants.ts'
import { Outbox } from './core/outbox.ts'
import type { Letter, Posted } from './core/outbox.ts'
import { targetName } from './core/pattern.ts'
import { Delivery } from './core/wire.ts'
import type { Outcome } from './core/wire.ts'
import { codeOf } from './codes.ts'
import type { Counters, RejectReason } from './counters.ts'
import * as defaults from './defaults.ts'
import type { Intake } from './intake.ts'
import type { SignalLog } from './log.ts'
import { Unconfirmed } from './unconfirmed.ts'

export interface TargetedRouteInit {
  readonly self: string
  readonly cluster: string
  readonly rpc: Rpc | undefined
  readonly seal: BatchSeal
  readonly intake: Intake
  readonly log: SignalLog
  readonly copies: Copies
  readonly budget: Budget
  readonly dispatcher: Dispatcher
  /** Whether a durable subscription of this peer is for signals of a type. */
  readonly wanted: (type: readonly string[]) => boolean
  readonly clock: Clock
  readonly counters: Counters
  readonly mutants: Mutants
  readonly defer: (task: () => void) => void
  readonly report: (what: string, error: unknown) => void
  readonly stopped: () => AbortSignal
}

/** What became of a signal for one peer. */
export interface Answer {
  /** `delivered`, `logged`, or why neither: an {@link Outcome} or the code of an error. */
  readonly word: string
  /** Only for what is promised at least once. */
  readonly accepted?: boolean
  readonly copies?: number
}

interface Lane {
  readonly outbox: Outbox<Answer>
  /** Sequence of the next signal. */
  next: number
  /** What is being signed and comes into the log right after, where it is kept. */
  sealing: readonly Letter[]
  readonly unconfirmed: Unconfirmed
}

/** What goes on with a batch that is promised. */
interface Handing {
  readonly logged: Promise<unknown>
  /** What its peer says. */
  readonly delivered: readonly string[] | Promise<readonly string[]>
  readonly deadline: number
}

/** Signals to named peers, each acknowledged by the peer once its subscriptions have it. */
export class TargetedRoute {
  readonly #init: TargetedRouteInit
  readonly #lanes = new Map<string, Lane>()
  /** Above all sequences of lanes that were forgotten, so that none is used twice. */
  #floor = 1

  constructor(init: TargetedRouteInit) {
    this.#init = init
  }

  start(): void {
    this.#init.rpc?.handle(defaults.deliverMethod, (request, context) =>
      this.#receive(request, context)
    )
  }

  stop(): void {
    this.#init.rpc?.unhandle(defaults.deliverMethod)
  }

  /** Throws `OverloadedError`. */
  post(peer: string, letter: Letter): Posted<Answer> {
    return this.#lane(peer).outbox.post(letter)
  }

  /** The sequence of the last signal that was sent on a channel of one peer. */
  head(channel: string): number | undefined {
    const peer = channel.slice(channel.lastIndexOf('/') + 1)
    const lane = this.#lanes.get(peer)
    return lane && lane.next - 1
  }

  /** Signals for this peer itself that are not in its log yet. */
  unlogged(): readonly Uint8Array[] {
    const lane = this.#lanes.get(this.#init.self)
    return lane === undefined
      ? []
      : [...lane.sealing, ...lane.outbox.waiting()].map(({ bytes }) => bytes)
  }

  #lane(peer: string): Lane {
    const known = this.#lanes.get(peer)
    if (known !== undefined) {
      return known
    }
    if (this.#lanes.size >= defaults.outboxesMax) {
      this.#forgetIdle()
    }
    const lane: Lane = {
      outbox: new Outbox<Answer>({
        defer: this.#init.defer,
        send: (batch) => this.#send(peer, lane, batch),
        batchBytesMax: defaults.messageBytesMax - defaults.envelopeBytesMax,
        batchSignalsMax: defaults.batchSignalsMax,
        pendingBytesMax: defaults.outboxBytesMax,
        pendingSignalsMax: defaults.outboxSignalsMax
      }),
      next: this.#floor,
      sealing: [],
      unconfirmed: new Unconfirmed({ ...this.#init, peer })
    }
    this.#lanes.set(peer, lane)
    return lane
  }

  #forgetIdle(): void {
    for (const [peer, lane] of this.#lanes) {
      if (lane.outbox.idle && lane.unconfirmed.idle) {
        this.#floor = Math.max(this.#floor, lane.next)
        this.#lanes.delete(peer)
        return
      }
    }
    throw new OverloadedError(`signals wait for ${defaults.outboxesMax} peers already`)
  }

  async #send(
    peer: string,
    lane: Lane,
    letters: readonly Letter[]
  ): Promise<readonly (Answer | Promise<Answer>)[]> {
    const { clock, counters, self } = this.#init
    const first = lane.next
    lane.next += letters.length
    const deadline = Math.max(...letters.map((letter) => letter.deadline))
    const timeoutMs = deadline - clock.monotonic()
    if (timeoutMs <= 0) {
      return letters.map(() => ({ word: 'ERR_DEADLINE_EXCEEDED' }))
    }
    const durable = letters.some((letter) => letter.durable === true)
    const { logged, own } = await this.#keep(peer, lane, letters, { durable, first })
    if (peer === self && !durable) {
      return letters.map(() => ({ word: 'logged' }))
    }
    counters.count('batch-sent')
    if (logged === undefined) {
      const words = await this.#deliver(peer, lane, own, timeoutMs)
      return words.map((word) => ({ word }))
    }
    const patience = Math.min(timeoutMs, defaults.askTimeoutMs)
    const delivered =
      peer === self ? this.#ownOutcomes(own) : this.#deliver(peer, lane, own, patience)
    const answers = this.#promise(peer, lane, own, { logged, delivered, deadline })
    // What comes next must not be older on any disk, nor come to the peer before this.
    await Promise.all([logged.catch(() => undefined), delivered])
    return letters.map(async (_, index) => {
      const { words, ...rest } = await answers
      return { word: words[index] ?? '', ...rest }
    })
  }

  /** Signs it, and logs what is promised, or for this peer itself. */
  async #keep(
    peer: string,
    lane: Lane,
    letters: readonly Letter[],
    { durable, first }: { readonly durable: boolean; readonly first: number }
  ): Promise<{ readonly own: OpenedBatch; readonly logged: Promise<unknown> | undefined }> {
    const { clock, cluster, seal, self } = this.#init
    const signals = letters.map(({ bytes }) => bytes)
    const channel = targetName(cluster, peer)
    const flag = durable ? { durable } : {}
    const batch = { channel, first, since: first, signals, attempt: 0, ...flag }
    const subjects = letters.some(({ subject }) => subject === true)
    lane.sealing = letters
    try {
      const original = await seal.seal(batch)
      const own = seal.own(batch, { author: self, time: clock.now(), subjects, original })
      return { own, logged: durable || peer === self ? this.#log(own) : undefined }
    } finally {
      lane.sealing = []
    }
  }

  /** At least once: in W logs, and handed over now or as soon as the peer is there again. */
  async #promise(
    peer: string,
    lane: Lane,
    { original }: OpenedBatch,
    { deadline, delivered, logged }: Handing
  ): Promise<{ words: readonly string[]; accepted: boolean; copies: number }> {
    const { copies, self } = this.#init
    const words = await delivered
    const confirmed = isConfirmed(words)
    const have = confirmed && peer !== self ? [peer] : []
    const secured = await copies.secure(original, logged, deadline, have, [])
    const { accepted } = secured
    if (!confirmed && accepted) {
      lane.unconfirmed.nudge()
    } else if (!confirmed) {
      lane.unconfirmed.remove(original)
    }
    return {
      // Whoever is away gets it when it comes back: that is what was asked for.
      words: confirmed || !accepted ? words : words.map(() => 'logged'),
      accepted,
      copies: secured.copies
    }
  }

  #ownOutcomes(batch: OpenedBatch): readonly Outcome[] {
    const { wanted } = this.#init
    return batch.signals.map(({ type }) => (wanted(type.split('.')) ? 'logged' : 'no-subscription'))
  }

  /** After all that came before it; what is promised and not confirmed is kept, to come before the next. */
  async #deliver(
    peer: string,
    lane: Lane,
    batch: OpenedBatch,
    timeoutMs: number
  ): Promise<readonly string[]> {
    const { clock } = this.#init
    const { count, durable, original } = batch
    const deadline = clock.monotonic() + timeoutMs
    const before = await lane.unconfirmed.flush(deadline)
    const words = before.startsWith('ERR_')
      ? Array.from({ length: count }, () => before)
      : await this.#call(peer, original, count, deadline - clock.monotonic())
    if (durable && !isConfirmed(words)) {
      lane.unconfirmed.add(original)
    }
    return words
  }

  async #call(
    peer: string,
    original: Uint8Array,
    count: number,
    timeoutMs: number
  ): Promise<readonly string[]> {
    const codes = (code: string): readonly string[] => Array.from({ length: count }, () => code)
    const { rpc } = this.#init
    if (rpc === undefined) {
      return codes('no network')
    }
    // What came before may have taken all of the time.
    if (timeoutMs <= 0) {
      return codes('ERR_DEADLINE_EXCEEDED')
    }
    try {
      const reply = await rpc.call(peer, defaults.deliverMethod, original, { timeoutMs })
      const { outcomes } = Delivery.decode(reply)
      return outcomes.length === count ? outcomes : codes('ERR_MALFORMED_MESSAGE')
    } catch (error) {
      // Not lost: each signal of the batch is reported as dropped with this reason.
      return codes(codeOf(error))
    }
  }

  #log(batch: OpenedBatch): Promise<unknown> {
    const { counters, log, mutants, report } = this.#init
    const { durable } = batch
    const sync = durable && mutants.acceptBeforeLog !== true
    const logged = log.append(batch, { sync, copy: durable, lazy: !durable })
    logged.catch((error: unknown) => {
      counters.count('log-error')
      report('an own batch was not logged', error)
    })
    return logged
  }

  async #receive(request: Uint8Array, context: RpcContext): Promise<Uint8Array> {
    const { budget, clock, cluster, counters, intake, seal, self } = this.#init
    if (!budget.take(context.peer, request.length, clock.monotonic())) {
      counters.count('rejected:over-budget')
      throw new OverloadedError('the peer sends more than its budget')
    }
    const target = targetName(cluster, self)
    const batch = await seal.openFrom(context.peer, Uint8Array.from(request), target)
    if (typeof batch === 'string') {
      throw this.#refuse(batch)
    }
    if (!(await intake.targeted(batch))) {
      return Delivery.encode({ outcomes: batch.signals.map((): Outcome => 'duplicate') })
    }
    // All at once: a full queue holds back its own signals and no others.
    const outcomes = await Promise.all(
      batch.signals.map((signal) => this.#dispatch(batch, signal, context))
    )
    return Delivery.encode({ outcomes })
  }

  async #dispatch(batch: OpenedBatch, signal: Signal, context: RpcContext): Promise<Outcome> {
    const { dispatcher, log, wanted } = this.#init
    const position = log.index.rowOf(batch, batch.first)?.number
    const outcome = await dispatcher.dispatch(
      signal,
      { author: batch.author },
      { wait: true, signal: context.signal, ...(position === undefined ? {} : { position }) }
    )
    const word = outcomeOf(outcome)
    return batch.durable && word !== 'delivered' && wanted(signal.type.split('.')) ? 'logged' : word
  }

  #refuse(reason: RejectReason): Error {
    this.#init.counters.count(`rejected:${reason}`)
    const message = `the delivery was refused: ${reason}`
    if (reason === 'not-a-member') {
      return new NotAdmittedError(message)
    }
    return unproven.has(reason)
      ? new InvalidSignatureError(message)
      : new MalformedMessageError(message)
  }
}

/** What a peer says when its log has a batch. */
const confirmations: ReadonlySet<string> = new Set([
  'delivered',
  'logged',
  'duplicate',
  'no-subscription',
  'queue-full'
])

function isConfirmed(words: readonly string[]): boolean {
  return words.every((word) => confirmations.has(word))
}

const unproven: ReadonlySet<RejectReason> = new Set([
  'forged',
  'not-the-caller',
  'other-cluster',
  'other-channel'
])

/** One word for what the subscriptions of a peer did with a signal. */
export function outcomeOf({ delivered, dropped }: LocalOutcome): Outcome {
  if (delivered > 0) {
    return 'delivered'
  }
  return dropped > 0 ? 'queue-full' : 'no-subscription'
}
