import type { Clock, Rpc, RpcContext } from '@murmuration/interface'
import {
  InvalidSignatureError,
  MalformedMessageError,
  NotAdmittedError,
  OverloadedError
} from '@murmuration/interface'
import type { BatchSeal, OpenedBatch } from './batches.ts'
import type { Dispatcher, LocalOutcome } from './core/dispatcher.ts'
import { InboundOrder } from './core/inbound-order.ts'
import { Outbox } from './core/outbox.ts'
import type { Letter, Posted } from './core/outbox.ts'
import { targetName } from './core/pattern.ts'
import { Delivery } from './core/wire.ts'
import type { Outcome } from './core/wire.ts'
import type { Counters, RejectReason } from './counters.ts'
import * as defaults from './defaults.ts'

export interface TargetedRouteInit {
  readonly cluster: string
  readonly rpc: Rpc
  readonly seal: BatchSeal
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly counters: Counters
  readonly defer: (task: () => void) => void
}

/** `delivered`, or why not: an {@link Outcome} or the code of an error. */
export type Answer = string

interface Lane {
  readonly outbox: Outbox<Answer>
  /** Sequence of the next signal. */
  next: number
}

/** Signals to named peers, each acknowledged by the peer once its subscriptions have it. */
export class TargetedRoute {
  readonly #init: TargetedRouteInit
  readonly #lanes = new Map<string, Lane>()
  /** Above all sequences of lanes that were forgotten, so that none is used twice. */
  #floor = 1
  readonly #order = new InboundOrder<OpenedBatch>({
    // Batches of one peer come one after the other, so nothing is ever early.
    holdMs: 0,
    holdBatchesMax: 1,
    gapsMax: defaults.gapsMax,
    streamsMax: defaults.streamsMax
  })

  constructor(init: TargetedRouteInit) {
    this.#init = init
  }

  start(): void {
    this.#init.rpc.handle(defaults.deliverMethod, (request, context) =>
      this.#receive(request, context)
    )
  }

  stop(): void {
    this.#init.rpc.unhandle(defaults.deliverMethod)
  }

  /** Throws `OverloadedError`. */
  post(peer: string, bytes: Uint8Array, deadline: number): Posted<Answer> {
    return this.#lane(peer).outbox.post(bytes, deadline)
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
      next: this.#floor
    }
    this.#lanes.set(peer, lane)
    return lane
  }

  #forgetIdle(): void {
    for (const [peer, lane] of this.#lanes) {
      if (lane.outbox.idle) {
        this.#floor = Math.max(this.#floor, lane.next)
        this.#lanes.delete(peer)
        return
      }
    }
    throw new OverloadedError(`signals wait for ${defaults.outboxesMax} peers already`)
  }

  async #send(peer: string, lane: Lane, letters: readonly Letter[]): Promise<readonly Answer[]> {
    const { clock, cluster, counters, rpc, seal } = this.#init
    const first = lane.next
    lane.next += letters.length
    const deadline = Math.max(...letters.map((letter) => letter.deadline))
    const timeoutMs = deadline - clock.monotonic()
    if (timeoutMs <= 0) {
      return letters.map(() => 'ERR_DEADLINE_EXCEEDED')
    }
    try {
      const signals = letters.map(({ bytes }) => bytes)
      const request = await seal.seal({
        channel: targetName(cluster, peer),
        first,
        since: first,
        signals,
        attempt: 0
      })
      counters.count('batch-sent')
      const reply = await rpc.call(peer, defaults.deliverMethod, request, { timeoutMs })
      const { outcomes } = Delivery.decode(reply)
      return letters.map((_, index) => outcomes[index] ?? 'ERR_MALFORMED_MESSAGE')
    } catch (error) {
      // Not lost: each signal of the batch is reported as dropped with this reason.
      const code = codeOf(error)
      return letters.map(() => code)
    }
  }

  async #receive(request: Uint8Array, context: RpcContext): Promise<Uint8Array> {
    const { clock, cluster, counters, rpc, seal } = this.#init
    const channel = targetName(cluster, rpc.peer)
    const batch = await seal.open(request, channel)
    if (typeof batch === 'string') {
      throw this.#refuse(batch)
    }
    if (batch.author !== context.peer) {
      throw this.#refuse('not-the-caller')
    }
    const { author, boot, first, signals } = batch
    const { admitted } = this.#order.admit(
      { author, channel, boot, first, since: first, count: signals.length, item: batch },
      clock.monotonic()
    )
    if (!admitted) {
      counters.count('rejected:replayed')
      return Delivery.encode({ outcomes: signals.map((): Outcome => 'duplicate') })
    }
    counters.count('batch-received')
    // All at once: a full queue holds back its own signals and no others.
    const outcomes = await Promise.all(
      signals.map((signal) =>
        this.#init.dispatcher.dispatch(
          signal.type.split('.'),
          signal,
          { author },
          { wait: true, signal: context.signal }
        )
      )
    )
    return Delivery.encode({ outcomes: outcomes.map(outcomeOf) })
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

/** The stable code of an error, to stand as a reason in a result. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error.code
  }
  return error instanceof Error ? error.name : 'ERR_UNKNOWN'
}
