import { beatMs, beatTimeoutMs } from '../defaults.ts'
import type { Admission } from './admission.ts'
import type { Context } from './context.ts'
import type { ProbeResult } from './detector.ts'
import type { Beat } from './messages.ts'
import { isRecordedAs } from './view-change.ts'

/**
 * Tells the watched members now and then that this one lives, whom it misses, and what it knows of
 * the settling of their view.
 */
export class Heartbeat {
  readonly #context: Context
  readonly #admission: Admission

  constructor(context: Context, admission: Admission) {
    this.#context = context
    this.#admission = admission
  }

  /** One round; the next one is planned. */
  beatAll(now: number): void {
    const { detector, member, outbox, timers } = this.#context
    if (member === undefined) {
      return
    }
    timers.set('beat', now + beatMs)
    const beat = this.beat(now)
    for (const peer of detector.watched) {
      outbox.request(peer, 'beat', beat, beatTimeoutMs, (answer, later) => {
        if (answer === undefined) {
          outbox.emit({ type: 'probe', peer })
        } else {
          this.#context.meet(peer, answer.standing, later)
          this.onBeat(peer, answer, later)
        }
      })
    }
    for (const peer of detector.refused()) {
      outbox.emit({ type: 'probe', peer })
    }
    this.#updateRecord(now)
    this.showReachability(now)
    this.#context.consider(now)
  }

  beat(now: number): Beat {
    const { detector, history } = this.#context
    const reports = history.reports.slice()
    const standing = this.#context.standing()
    return { standing, reports, accusations: detector.accusations(now) }
  }

  onBeat(from: string, { standing, reports, accusations }: Beat, now: number): void {
    const { detector, history, isLeaving, member, outbox } = this.#context
    if (member === undefined && standing.size > 0 && !isLeaving) {
      // Only members of a view send heartbeats, and only to others of it.
      this.#context.pull(from)
      return
    }
    const sender = history.view?.members.find(({ peer }) => peer === from)
    if (standing.lineage !== history.lineage || sender?.incarnation !== standing.incarnation) {
      return
    }
    const { doubtful, isUrgent } = detector.learn(from, accusations, now)
    for (const peer of doubtful) {
      outbox.emit({ type: 'probe', peer })
    }
    if (isUrgent) {
      this.#context.timers.sooner('beat', now)
    }
    if (standing.number === history.number) {
      history.mergeReports(reports)
      this.checkSettled(now)
    }
    this.#context.consider(now)
  }

  probed(peer: string, result: ProbeResult, now: number): void {
    if (this.#context.detector.probed(peer, result)) {
      // The others should know at once: two who found it closed are enough.
      this.beatAll(now)
    }
    this.showReachability(now)
    this.#context.consider(now)
  }

  checkSettled(now: number): void {
    const { history, timers } = this.#context
    if (history.number > history.settled && history.isReported) {
      this.#context.settle(history.number)
      timers.sooner('beat', now)
    }
  }

  showReachability(now: number): void {
    const { detector, outbox } = this.#context
    for (const { peer, reachability } of detector.changes(now)) {
      outbox.emit({ type: 'reachability', peer, reachability })
    }
  }

  /** A member whose addresses or labels have changed asks for a view that says so. */
  #updateRecord(now: number): void {
    const { isLeaving, member } = this.#context
    const candidate = this.#context.candidate()
    const isRecorded = member === undefined || isRecordedAs(member, candidate)
    if (!isRecorded && !isLeaving && !this.#admission.isWaiting(candidate.peer, now)) {
      this.#admission.submit(candidate, false, now)
    }
  }
}
