import type { Clock } from '@murmuration/interface'
import type { Asking } from './asking.ts'
import type { OpenedBatch } from './batches.ts'
import type { InboundOrder } from './core/inbound-order.ts'
import { streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import type { Intake } from './intake.ts'
import type { SignalLog } from './log.ts'
import type { Orders } from './orders.ts'

export interface LiveRepairInit {
  readonly asking: Asking
  readonly intake: Intake
  readonly log: SignalLog
  readonly orders: Orders
  readonly clock: Clock
  readonly stopped: () => AbortSignal
  readonly report: (what: string, error: unknown) => void
}

/** What a peer has told of a stream. */
export interface Announcement {
  readonly head: number
  /** Who has it. */
  readonly peer: string
  /** Only what its author sent after that is wanted. */
  readonly since: number
}

/**
 * Closes gaps for those who listen now, while what follows waits: from the own log where it was put
 * aside, else from others. What nobody has is given up at once, what nobody answers for with time.
 */
export class LiveRepair {
  readonly #init: LiveRepairInit
  readonly #running = new Set<string>()
  /** What was told last of streams that are being repaired. */
  readonly #heard = new Map<string, Announcement>()
  /** Streams that are followed by the word of a peer, by peer. */
  readonly #followed = new Map<string, number>()

  constructor(init: LiveRepairInit) {
    this.#init = init
  }

  repair(name: StreamName): void {
    const { author, boot, channel } = name
    this.#once({ author, boot, channel }, (stream) => this.#close(stream))
  }

  /** A peer has more of a stream; it may be on its way to here. */
  announced({ author, boot, channel }: StreamName, announcement: Announcement): void {
    const name = { author, boot, channel }
    const key = streamKey(name)
    const followed = this.#followed.get(announcement.peer) ?? 0
    if (this.#running.has(key)) {
      this.#heard.set(key, announcement)
    } else if (followed < defaults.toldMax) {
      this.#followed.set(announcement.peer, followed + 1)
      this.#once(name, (stream) =>
        this.#follow(stream, announcement).finally(() => this.#left(announcement.peer))
      )
    }
  }

  #once(name: StreamName, task: (name: StreamName) => Promise<void>): void {
    const key = streamKey(name)
    if (this.#running.has(key)) {
      return
    }
    this.#running.add(key)
    task(name)
      .catch((error: unknown) => this.#init.report('a gap could not be repaired', error))
      .finally(() => {
        this.#running.delete(key)
        const heard = this.#heard.get(key)
        this.#heard.delete(key)
        if (heard !== undefined && !this.#init.stopped().aborted) {
          this.announced(name, heard)
        }
      })
  }

  #left(peer: string): void {
    const followed = (this.#followed.get(peer) ?? 1) - 1
    if (followed === 0) {
      this.#followed.delete(peer)
    } else {
      this.#followed.set(peer, followed)
    }
  }

  async #follow(stream: StreamName, announcement: Announcement): Promise<void> {
    const { clock, orders, stopped } = this.#init
    const { head, peer } = announcement
    await pause(clock, defaults.tailGraceMs, stopped())
    const order = orders.of(stream.channel)
    const position = order.position(stream)
    if (position?.fresh === false && peer === stream.author) {
      order.announce(stream, head)
    } else if ((position?.high ?? 0) < head) {
      // What somebody says of the streams of others is believed when it has come.
      await this.#catchUp(stream, position, announcement)
    }
    // Also what was found to be missing meanwhile: nobody else asks for it while this runs.
    if (order.position(stream)?.fresh === false) {
      await this.#close(stream, peer)
    }
  }

  async #close(name: StreamName, holder?: string): Promise<void> {
    const { asking, clock, intake, orders, stopped } = this.#init
    const order = orders.of(name.channel)
    let failures = 0
    let gap = order.openGap(name)
    while (gap !== undefined && !stopped().aborted && failures < defaults.repairRoundsMax) {
      // Each round depends on what the one before brought.
      // oxlint-disable no-await-in-loop
      const own = await this.#fromOwnLog(name, gap)
      const round = own
        ? { came: 1, absent: [], answers: 1 }
        : await asking.ask(name, gap, {
            peersMax: defaults.repairPeersMax,
            ...(holder === undefined ? {} : { first: holder })
          })
      const [absent] = round.absent
      if (round.came > 0) {
        order.extend(name, clock.monotonic())
      } else if (absent?.from === gap.from && round.answers > 0) {
        intake.giveUp(name, absent.to, 'in no log that was asked')
      } else {
        failures += 1
        await pause(clock, defaults.repairPauseMs * failures, stopped())
      }
      const next = order.openGap(name)
      if (round.came > 0 && next?.from === gap.from && next.to === gap.to) {
        // What came does not fit: asking again would bring the same.
        intake.giveUp(name, gap.to, 'what came for it does not fit')
      }
      // oxlint-enable no-await-in-loop
      gap = order.openGap(name)
    }
  }

  /** Of a stream that this peer has not followed, only what is newer than its own interest. */
  async #catchUp(
    name: StreamName,
    position: ReturnType<InboundOrder<OpenedBatch>['position']>,
    { head, peer, since }: Announcement
  ): Promise<void> {
    const { asking, orders } = this.#init
    const options = { only: peer, ...(position?.fresh === false ? {} : { since }) }
    let from = (position?.high ?? 0) + 1
    while (from <= head) {
      const range = { from, to: head }
      // oxlint-disable-next-line no-await-in-loop
      const { came } = await asking.ask(name, range, options)
      const reached = orders.of(name.channel).position(name)?.high ?? 0
      if (came === 0 || reached < from) {
        return
      }
      from = reached + 1
    }
  }

  async #fromOwnLog(name: StreamName, gap: { from: number; to: number }): Promise<boolean> {
    const { intake, log } = this.#init
    const present = log.index.find(name)?.held.nextPresent(gap.from)
    if (present !== gap.from) {
      return false
    }
    const { originals } = await log.originals(gap, name)
    for (const original of originals) {
      // In their order.
      // oxlint-disable-next-line no-await-in-loop
      await intake.take(original, 'repair', { sync: false, copy: false })
    }
    return originals.length > 0
  }
}
