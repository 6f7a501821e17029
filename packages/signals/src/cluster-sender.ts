import type { Clock } from '@murmuration/interface'
import type { BatchSeal } from './batches.ts'
import type { Copies } from './copies.ts'
import type { Mutants } from './core/mutants.ts'
import { Outbox } from './core/outbox.ts'
import type { Letter, Posted } from './core/outbox.ts'
import { Pace } from './core/pace.ts'
import { topicName } from './core/pattern.ts'
import { RecentBatches } from './core/recent-batches.ts'
import type { RecentBatch } from './core/recent-batches.ts'
import { shortName } from './core/wire.ts'
import type { Counters } from './counters.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import type { Gossip } from './gossip.ts'
import type { SignalLog } from './log.ts'

/** What is known of a signal that was sent. */
export interface Sent {
  readonly recipients: readonly string[]
  readonly dropped: readonly { readonly peer: string; readonly reason: string }[]
  /** Only for what is promised at least once. */
  readonly accepted?: boolean
  readonly copies?: number
}

export interface ClusterSenderInit {
  readonly self: string
  readonly cluster: string
  readonly gossip: Gossip
  readonly seal: BatchSeal
  readonly log: SignalLog
  readonly copies: Copies
  readonly clock: Clock
  readonly counters: Counters
  readonly mutants: Mutants
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
  /** What is being signed and comes into the log right after. */
  sealing: readonly Letter[]
  resending: boolean
}

/** A batch under way. */
interface Sending {
  readonly lane: Lane
  readonly first: number
  readonly signals: readonly Uint8Array[]
  readonly durable: boolean
  readonly subjects: boolean
  readonly deadline: number
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
          pendingSignalsMax: defaults.outboxSignalsMax,
          pacing: {
            pace: new Pace({
              intervalMs: defaults.paceMs,
              burst: defaults.paceBurst,
              vainMax: defaults.paceVainMax
            }),
            monotonic: () => init.clock.monotonic(),
            schedule: (delayMs, task) => init.clock.schedule(delayMs, task)
          }
        }),
        recent: new RecentBatches({
          lingerMs: defaults.lingerMs,
          batchesMax: defaults.lingerBatchesMax,
          bytesMax: defaults.lingerBytesMax,
          resendsMax: defaults.resendsMax
        }),
        next: 1,
        sealing: [],
        resending: false
      }
      this.#lanes.set(topic, lane)
    }
  }

  /** Throws `OverloadedError`. */
  post(number: number, letter: Letter): Posted<Sent> {
    return this.#lane(number).outbox.post(letter)
  }

  /** Peers that are known to subscribe to a topic. */
  subscribers(number: number): readonly string[] {
    return this.#init.gossip.subscribers(this.#lane(number).topic)
  }

  /** The sequence of the last signal that was sent on a topic; undefined where it is none. */
  head(topic: string): number | undefined {
    const lane = this.#lanes.get(topic)
    return lane && lane.next - 1
  }

  /** Signals that were published and are not in the log yet. */
  unlogged(): readonly Uint8Array[] {
    return [...this.#lanes.values()].flatMap(({ outbox, sealing }) =>
      [...sealing, ...outbox.waiting()].map(({ bytes }) => bytes)
    )
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

  /** One batch to one topic; resolves when the next one may follow. */
  async #send(lane: Lane, letters: readonly Letter[]): Promise<readonly Promise<Sent>[]> {
    const sending: Sending = {
      lane,
      first: lane.next,
      signals: letters.map(({ bytes }) => bytes),
      durable: letters.some(({ durable }) => durable === true),
      subjects: letters.some(({ subject }) => subject === true),
      deadline: Math.max(...letters.map(({ deadline }) => deadline))
    }
    lane.next += letters.length
    const { logged, original } = await this.#keep(sending, letters)
    const recipients = await this.#publish(lane, original)
    if (sending.durable) {
      // What comes next must not be older on any disk. Its failure shows in the result.
      await logged.catch(() => undefined)
    }
    this.#init.counters.count('batch-sent')
    const recent = this.#remember(sending, recipients)
    const handed = this.#handOver(sending, original, recipients, recent)
    const result = sending.durable ? this.#secure(sending, original, logged, handed) : handed
    return letters.map(() => result)
  }

  /** Signs and logs it. */
  async #keep(
    sending: Sending,
    letters: readonly Letter[]
  ): Promise<{ readonly original: Uint8Array; readonly logged: Promise<unknown> }> {
    const { lane } = sending
    lane.sealing = letters
    try {
      const original = await this.#seal(sending, 0)
      return { original, logged: this.#log(sending, original) }
    } finally {
      lane.sealing = []
    }
  }

  /** Gets it into W logs, those of others who have to have it anyway first. */
  async #secure(
    { deadline, lane }: Sending,
    original: Uint8Array,
    logged: Promise<unknown>,
    handed: Promise<Sent>
  ): Promise<Sent> {
    const { copies, gossip } = this.#init
    const listening = gossip.subscribers(lane.topic)
    const secured = await copies.secure(original, logged, deadline, [], listening)
    const { dropped, recipients } = await handed
    return {
      accepted: secured.accepted,
      copies: secured.copies,
      recipients: [...new Set([...recipients, ...secured.holders])],
      dropped: secured.accepted ? dropped : [...dropped, ...secured.failed]
    }
  }

  /**
   * Who listens and was not reached by gossip is called; while nobody at all was reached, gossip is
   * tried again too: its streams may still be opening.
   */
  async #handOver(
    sending: Sending,
    original: Uint8Array,
    reached: readonly string[],
    recent: RecentBatch
  ): Promise<Sent> {
    const { clock } = this.#init
    const { lane } = sending
    const stopped = this.#init.stopped()
    const since = clock.monotonic()
    const recipients = new Set(reached)
    let dropped = await this.#call(sending, original, recipients)
    let pauseMs = defaults.handOverPauseMs
    let attempt = 0
    while (recipients.size === 0 && dropped.length > 0 && !stopped.aborted) {
      if (clock.monotonic() - since >= defaults.handOverMs) {
        break
      }
      // Each try needs the outcome of the one before.
      // oxlint-disable no-await-in-loop
      await pause(clock, pauseMs, stopped)
      pauseMs = Math.min(pauseMs * 2, defaults.handOverPauseMsMax)
      attempt += 1
      recent.attempt = Math.max(recent.attempt, attempt)
      const again = await this.#seal(sending, attempt)
      for (const peer of await this.#publish(lane, again)) {
        recipients.add(peer)
      }
      dropped = await this.#call(sending, original, recipients)
      // oxlint-enable no-await-in-loop
    }
    for (const peer of recipients) {
      recent.reached.add(peer)
    }
    return { recipients: [...recipients], dropped }
  }

  /** Adds who could be called, and returns who could not be reached in any way. */
  async #call(
    { deadline, lane }: Sending,
    original: Uint8Array,
    recipients: Set<string>
  ): Promise<Sent['dropped']> {
    const { clock, copies, gossip } = this.#init
    const whole = gossip.direct !== false || recipients.size === 0
    const missed = whole
      ? gossip.subscribers(lane.topic).filter((peer) => !recipients.has(peer))
      : []
    const timeoutMs = Math.min(deadline - clock.monotonic(), defaults.askTimeoutMs)
    const words = await Promise.all(
      missed.map(async (peer) =>
        timeoutMs > 0 ? await copies.push(peer, original, false, timeoutMs) : 'deadline exceeded'
      )
    )
    const dropped: { peer: string; reason: string }[] = []
    for (const [index, peer] of missed.entries()) {
      const word = words[index] ?? ''
      if (word === 'logged') {
        this.#init.counters.count('handed-over')
        recipients.add(peer)
      } else {
        dropped.push({ peer, reason: `no gossip stream to the peer, and no call: ${word}` })
      }
    }
    return dropped
  }

  #log(sending: Sending, original: Uint8Array): Promise<unknown> {
    const { clock, counters, log, mutants, report, seal, self } = this.#init
    const { durable, first, lane, signals, subjects } = sending
    const batch = { channel: lane.topic, first, since: first, signals, attempt: 0, durable }
    const facts = { author: self, time: clock.now(), subjects, original }
    const sync = durable && mutants.acceptBeforeLog !== true
    const logged = log.append(seal.own(batch, facts), { sync, copy: durable, lazy: !durable })
    logged.catch((error: unknown) => {
      counters.count('log-error')
      report('an own batch was not logged', error)
    })
    return logged
  }

  #remember(
    { durable, first, lane, signals }: Sending,
    recipients: readonly string[]
  ): RecentBatch {
    const recent: RecentBatch = {
      first,
      signals,
      durable,
      bytes: signals.reduce((sum, { length }) => sum + length, 0),
      at: this.#init.clock.monotonic(),
      reached: new Set(recipients),
      attempt: 0,
      resends: 0
    }
    lane.recent.add(recent)
    return recent
  }

  #seal(
    { durable, first, lane, signals }: Pick<Sending, 'durable' | 'first' | 'lane' | 'signals'>,
    attempt: number
  ): Promise<Uint8Array> {
    const since = Math.min(first, lane.recent.since(this.#init.clock.monotonic()) ?? first)
    const flag = durable ? { durable } : {}
    const batch = { channel: lane.topic, first, since, signals, attempt }
    return this.#init.seal.seal({ ...batch, ...flag, ...this.#handed(lane) })
  }

  /** Whom it will be handed to: who gets it knows from that to whom it need not be sent on. */
  #handed({ topic }: Lane): { readonly handed?: readonly string[] } {
    const peers = this.#init.gossip.reaches?.(topic)
    return peers === undefined || peers.length > defaults.handedMax
      ? {}
      : { handed: peers.map(shortName) }
  }

  async #publish(lane: Lane, bytes: Uint8Array): Promise<readonly string[]> {
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
      // oxlint-disable no-await-in-loop
      const bytes = await this.#seal({ ...batch, lane }, batch.attempt)
      for (const peer of await this.#publish(lane, bytes)) {
        batch.reached.add(peer)
      }
      // oxlint-enable no-await-in-loop
      this.#init.counters.count('batch-resent')
    }
  }
}
