import type { Clock } from '@murmuration/interface'
import type { BatchSeal } from './batches.ts'
import { Outbox } from './core/outbox.ts'
import type { Letter, Posted } from './core/outbox.ts'
import { topicName } from './core/pattern.ts'
import { RecentBatches } from './core/recent-batches.ts'
import type { RecentBatch } from './core/recent-batches.ts'
import type { Counters } from './counters.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import type { Gossip } from './gossip.ts'

/** What is known of a signal that was sent. */
export interface Sent {
  readonly recipients: readonly string[]
  readonly dropped: readonly { readonly peer: string; readonly reason: string }[]
}

export interface ClusterSenderInit {
  readonly cluster: string
  readonly gossip: Gossip
  readonly seal: BatchSeal
  readonly clock: Clock
  readonly counters: Counters
  readonly defer: (task: () => void) => void
  readonly report: (what: string, error: unknown) => void
  /** Fires when the bus stops. */
  readonly stopped: () => AbortSignal
}

interface Lane {
  readonly topic: string
  readonly outbox: Outbox<Sent>
  readonly recent: RecentBatches
  /** Sequence of the next signal. */
  next: number
  resending: boolean
}

/** Sends signals to all who listen in the cluster, over 16 gossip topics. */
export class ClusterSender {
  readonly #init: ClusterSenderInit
  readonly #lanes = new Map<string, Lane>()

  constructor(init: ClusterSenderInit) {
    this.#init = init
    for (let number = 0; number < defaults.topicCount; number += 1) {
      const topic = topicName(init.cluster, number)
      const lane: Lane = {
        topic,
        outbox: new Outbox<Sent>({
          defer: init.defer,
          send: (batch) => this.#send(lane, batch),
          batchBytesMax: defaults.messageBytesMax - defaults.envelopeBytesMax,
          batchSignalsMax: defaults.batchSignalsMax,
          pendingBytesMax: defaults.outboxBytesMax,
          pendingSignalsMax: defaults.outboxSignalsMax
        }),
        recent: new RecentBatches({
          lingerMs: defaults.lingerMs,
          batchesMax: defaults.lingerBatchesMax,
          bytesMax: defaults.lingerBytesMax,
          resendsMax: defaults.resendsMax
        }),
        next: 1,
        resending: false
      }
      this.#lanes.set(topic, lane)
    }
  }

  /** Throws `OverloadedError`. */
  post(number: number, bytes: Uint8Array, deadline: number): Posted<Sent> {
    return this.#lane(number).outbox.post(bytes, deadline)
  }

  /** Peers that are known to subscribe to a topic. */
  subscribers(number: number): readonly string[] {
    return this.#init.gossip.subscribers(this.#lane(number).topic)
  }

  /** News of a subscription: what was just sent may have missed that peer. */
  subscribed(peer: string, topic: string): void {
    const lane = this.#lanes.get(topic)
    if (lane === undefined || !lane.recent.joined(peer, this.#init.clock.monotonic())) {
      return
    }
    if (!lane.resending) {
      lane.resending = true
      void this.#resend(lane)
    }
  }

  #lane(number: number): Lane {
    const lane = this.#lanes.get(topicName(this.#init.cluster, number))
    if (lane === undefined) {
      throw new RangeError(`there is no topic ${number}`)
    }
    return lane
  }

  /**
   * One batch to one topic. While peers are known to listen and none was handed anything, it is
   * tried again: their streams may still be opening.
   */
  async #send(lane: Lane, letters: readonly Letter[]): Promise<readonly Sent[]> {
    const { clock, counters, gossip } = this.#init
    const signals = letters.map(({ bytes }) => bytes)
    const first = lane.next
    lane.next += signals.length
    const stopped = this.#init.stopped()
    const since = clock.monotonic()
    let pauseMs = defaults.handOverPauseMs
    let attempt = 0
    let recipients = await this.#publish(lane, first, signals, attempt)
    let listeners = gossip.subscribers(lane.topic)
    while (
      recipients.length === 0 &&
      listeners.length > 0 &&
      !stopped.aborted &&
      clock.monotonic() - since < defaults.handOverMs
    ) {
      // Each try needs the outcome of the one before.
      // oxlint-disable-next-line no-await-in-loop
      await pause(clock, pauseMs, stopped)
      pauseMs = Math.min(pauseMs * 2, defaults.handOverPauseMsMax)
      attempt += 1
      // oxlint-disable-next-line no-await-in-loop
      recipients = await this.#publish(lane, first, signals, attempt)
      listeners = gossip.subscribers(lane.topic)
    }
    counters.count('batch-sent')
    lane.recent.add({
      first,
      signals,
      bytes: signals.reduce((sum, { length }) => sum + length, 0),
      at: clock.monotonic(),
      reached: new Set(recipients),
      attempt,
      resends: 0
    })
    const unreached = recipients.length === 0 ? listeners : []
    const sent: Sent = {
      recipients,
      dropped: unreached.map((peer) => ({ peer, reason: 'no gossip stream to the peer' }))
    }
    return letters.map(() => sent)
  }

  async #publish(
    lane: Lane,
    first: number,
    signals: readonly Uint8Array[],
    attempt: number
  ): Promise<readonly string[]> {
    const since = Math.min(first, lane.recent.since(this.#init.clock.monotonic()) ?? first)
    const bytes = await this.#init.seal.seal({
      channel: lane.topic,
      first,
      since,
      signals,
      attempt
    })
    try {
      return await this.#init.gossip.publish(lane.topic, bytes)
    } catch (error) {
      // The same as reaching nobody: it is tried again, then shows in the result.
      this.#init.report('gossip refused a message', error)
      return []
    }
  }

  async #resend(lane: Lane): Promise<void> {
    const { clock } = this.#init
    const stopped = this.#init.stopped()
    let pauseMs = defaults.handOverPauseMs
    try {
      while (!stopped.aborted) {
        // Several peers often subscribe at once; one repetition serves them all.
        // oxlint-disable-next-line no-await-in-loop
        await pause(clock, pauseMs, stopped)
        pauseMs = Math.min(pauseMs * 2, defaults.handOverPauseMsMax)
        const due = lane.recent.due(clock.monotonic())
        if (due.length === 0) {
          break
        }
        // oxlint-disable-next-line no-await-in-loop
        await this.#repeat(lane, due)
      }
    } catch (error) {
      this.#init.report('a repetition for late subscribers failed', error)
    } finally {
      lane.resending = false
    }
  }

  async #repeat(lane: Lane, due: readonly RecentBatch[]): Promise<void> {
    for (const batch of due) {
      batch.attempt += 1
      batch.resends += 1
      // In their order, so that receivers need not wait for an earlier one.
      // oxlint-disable-next-line no-await-in-loop
      const recipients = await this.#publish(lane, batch.first, batch.signals, batch.attempt)
      for (const peer of recipients) {
        batch.reached.add(peer)
      }
      this.#init.counters.count('batch-resent')
    }
  }
}
