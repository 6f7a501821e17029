import type { Clock } from '@murmuration/interface'
import type { Asking, Round } from './asking.ts'
import type { Loss } from './core/inbound-order.ts'
import type { Range } from './core/ranges.ts'
import { streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'
import type { Peers } from './peers.ts'
import type { Told } from './told.ts'

export interface MendingInit {
  readonly asking: Asking
  readonly log: SignalLog
  readonly peers: Peers
  readonly told: Told
  readonly clock: Clock
  /** What of a stream durable subscriptions wait for. */
  readonly hole: (name: StreamName) => Range | undefined
  /** Sequences are lost, so nobody waits for them any more. */
  readonly onLost: (loss: Loss, reason: string) => void
  readonly stopped: () => AbortSignal
  readonly report: (what: string, error: unknown) => void
}

/**
 * Fetches what durable subscriptions miss in the log, for as long as somebody may have it. A gap is
 * a loss only when all members of the view were asked and have nothing, and the author is one of
 * them, or has been out of the view for so long that it counts as retired. What was never seen signed
 * is no gap: who says to have it is asked for it, and not believed any more if it has nothing.
 */
export class Mending {
  readonly #init: MendingInit
  readonly #running = new Set<string>()
  /** Since when an author was not there to be asked. */
  readonly #gone = new Map<string, number>()

  constructor(init: MendingInit) {
    this.#init = init
  }

  mend({ author, boot, channel }: StreamName): void {
    const { report, told } = this.#init
    const name = { author, boot, channel }
    const key = streamKey(name)
    if (this.#running.has(key)) {
      return
    }
    this.#running.add(key)
    this.#mend(name)
      .catch((error: unknown) => report('a hole in the log could not be mended', error))
      .finally(() => {
        this.#running.delete(key)
        told.forget(name)
        if (this.#running.size === 0) {
          this.#gone.clear()
        }
      })
  }

  /** A peer says that it has more of a stream. */
  told({ author, boot, channel }: StreamName, head: number, peer: string): void {
    const { hole, told } = this.#init
    const name = { author, boot, channel }
    if (!told.note(name, head, peer)) {
      return
    }
    if (hole(name) === undefined) {
      told.forget(name, peer)
    } else {
      this.mend(name)
    }
  }

  async #mend(name: StreamName): Promise<void> {
    const { clock, hole, log, stopped } = this.#init
    let pauseMs = defaults.repairPauseMs
    for (let missing = hole(name); missing !== undefined; missing = hole(name)) {
      if (stopped().aborted) {
        return
      }
      const seen = log.index.find(name)?.top ?? 0
      const { from, to } = missing
      // Each round depends on what the one before brought.
      // oxlint-disable no-await-in-loop
      const further =
        from > seen
          ? await this.#check(name, missing)
          : await this.#fetch(name, { from, to: Math.min(to, seen) })
      if (further) {
        pauseMs = defaults.repairPauseMs
      } else {
        await pause(clock, pauseMs, stopped())
        pauseMs = Math.min(pauseMs * 2, defaults.repairPauseMsMax)
      }
      // oxlint-enable no-await-in-loop
    }
  }

  /** Whether something came, or is lost for good. */
  async #fetch(name: StreamName, missing: Range): Promise<boolean> {
    const { asking, hole, log, onLost } = this.#init
    const round = await asking.ask(name, missing)
    const [absent] = round.absent
    if (round.came > 0) {
      return hole(name)?.from !== missing.from
    }
    if (absent === undefined || !this.#isLost(name, round)) {
      return false
    }
    log.index.stream(name).lost.add(absent.from, absent.to)
    onLost({ ...name, from: absent.from, to: absent.to }, 'in no log of the cluster')
    return true
  }

  /** Asks who says to have it. Whether that brought it, or showed that there is nothing. */
  async #check(name: StreamName, missing: Range): Promise<boolean> {
    const { asking, log, told } = this.#init
    const peer = told.teller(name, missing.from)
    if (peer === undefined) {
      told.forget(name)
      return true
    }
    const { answers } = await asking.ask(name, missing, { only: peer })
    if ((log.index.find(name)?.top ?? 0) >= missing.from) {
      return true
    }
    if (answers === 0) {
      told.missed(name, peer)
      return false
    }
    told.forget(name, peer)
    return true
  }

  #isLost({ author }: StreamName, round: Round): boolean {
    const { clock, peers } = this.#init
    if (!round.complete) {
      return false
    }
    if (round.author || peers.isMember(author)) {
      this.#gone.delete(author)
      return round.author
    }
    const since = this.#gone.get(author) ?? clock.monotonic()
    this.#gone.set(author, since)
    return clock.monotonic() - since >= defaults.retiredMs
  }
}
