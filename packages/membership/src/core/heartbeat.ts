import type { View } from '@murmuration/interface'
import { equals } from 'uint8arrays/equals'
import { alertBatchMs, announceMax, beatTimeoutMs, fullMeshMax, renewalSpare } from '../defaults.ts'
import type { Admission } from './admission.ts'
import { packCharges, unpackCharges } from './charges.ts'
import type { Context } from './context.ts'
import type { ProbeResult } from './detector.ts'
import type { Lease } from './lease.ts'
import { memberOf } from './lookup.ts'
import type { Beat } from './messages.ts'
import { paceOf } from './pace.ts'
import { isRecordedAs } from './view-change.ts'
import type { Voting } from './voting.ts'

/**
 * Tells the watched members now and then that this one lives, whom it misses, and what it knows of
 * the settling of their view. What goes to an acceptor renews the lease of this peer too.
 */
export class Heartbeat {
  readonly #context: Context
  readonly #admission: Admission
  readonly #voting: Voting
  /** The last one that accused nobody: as long as it stays true it is sent again, as it is. */
  #quiet: Beat | undefined
  #quietGrant: Beat | undefined
  #isAlert = false
  /** Counts through the acceptors that are asked in turn. */
  #turn = 0

  constructor(context: Context, admission: Admission, voting: Voting) {
    this.#context = context
    this.#admission = admission
    this.#voting = voting
  }

  /** One round; the next one is planned. */
  beatAll(now: number): void {
    const { detector, history, member, outbox, timers } = this.#context
    const { view } = history
    if (member === undefined || view === undefined) {
      return
    }
    const pace = paceOf(view.members.length)
    timers.set('beat', now + pace.beatMs)
    const isUrgent = this.#isAlert
    this.#isAlert = false
    const isRenewal = isUrgent || pace.renewMs === pace.beatMs
    this.#round(
      [...detector.watched, ...(isRenewal ? this.#renewed(view, isUrgent, now) : [])],
      now
    )
    if (!isRenewal) {
      timers.sooner('renew', now + pace.renewMs)
    }
    for (const peer of detector.refused()) {
      outbox.emit({ type: 'probe', peer })
    }
    this.#updateRecord(now)
    this.showReachability(now)
    this.#context.consider(now)
  }

  /** A renewal between the rounds, where it comes less often than they do. */
  renew(now: number): void {
    const { history, member, timers } = this.#context
    const { view } = history
    if (member !== undefined && view !== undefined) {
      timers.set('renew', now + paceOf(view.members.length).renewMs)
      this.#round(this.#renewed(view, false, now), now)
    }
  }

  #round(peers: readonly string[], now: number): void {
    const { history, lease, outbox, rules, self } = this.#context
    const { view } = history
    if (view === undefined) {
      return
    }
    const round = lease.renew(view, now)
    const beat = this.beat(now)
    for (const peer of new Set(peers)) {
      if (peer === self.peer) {
        continue
      }
      outbox.request(peer, 'beat', beat, beatTimeoutMs, (answer, later) => {
        if (answer === undefined) {
          outbox.emit({ type: 'probe', peer })
          return
        }
        const { grants, standing } = answer
        const granter = memberOf(view, peer)
        const isSame = granter?.incarnation === standing.incarnation
        if (grants === true && isSame && standing.number === view.number) {
          this.#grant(round, peer, later)
        }
        this.#context.meet(peer, standing, later)
        this.onBeat(peer, answer, later)
      })
    }
    const isGranter = rules.grantersOf(view, self.peer).includes(self.peer)
    if (isGranter && this.#voting.grants(self.peer, now)) {
      this.#grant(round, self.peer, now)
    }
  }

  beat(now: number): Beat {
    const { detector, history } = this.#context
    const standing = this.#context.standing()
    const accusations = detector.accusations(now)
    const isLagging = detector.isLagging(now)
    const isQuiet = accusations.length === 0 && !isLagging
    const last = this.#quiet
    if (isQuiet && last?.standing === standing && equals(last.reports, history.reports)) {
      return last
    }
    const reports = history.reports.slice()
    const charges = history.view === undefined ? [] : packCharges(history.view, accusations)
    const beat = { standing, reports, charges, ...(isLagging && { isLagging }) }
    this.#quiet = isQuiet ? beat : undefined
    this.#quietGrant = isQuiet ? { ...beat, grants: true } : undefined
    return beat
  }

  /** The answer to a heartbeat: the own one, and whether the lease of the sender is granted. */
  answer(from: string, { standing }: Beat, now: number): Beat {
    const { history } = this.#context
    const sender = memberOf(history.view, from)
    const isHere =
      standing.lineage === history.lineage &&
      standing.number === history.number &&
      sender?.incarnation === standing.incarnation
    const beat = this.beat(now)
    if (!isHere || !this.#voting.grants(from, now)) {
      return beat
    }
    return beat === this.#quiet ? (this.#quietGrant ?? beat) : { ...beat, grants: true }
  }

  onBeat(from: string, beat: Beat, now: number): void {
    const { detector, history, isLeaving, member, outbox } = this.#context
    const { charges, isLagging = false, reports, standing } = beat
    if (member === undefined && standing.size > 0 && !isLeaving) {
      // Only members of a view send heartbeats, and only to others of it.
      this.#context.pull(from)
      return
    }
    const sender = memberOf(history.view, from)
    if (standing.lineage !== history.lineage || sender?.incarnation !== standing.incarnation) {
      return
    }
    if (standing.number === history.number && history.view !== undefined) {
      const accusations = unpackCharges(history.view, charges)
      const { doubtful, isUrgent } = detector.learn(from, accusations, isLagging, now)
      for (const peer of doubtful) {
        outbox.emit({ type: 'probe', peer })
      }
      if (isUrgent) {
        this.#alert(now)
      }
      history.mergeReports(reports)
      this.checkSettled(now)
    }
    this.#context.consider(now)
  }

  probed(peer: string, result: ProbeResult, now: number): void {
    if (this.#context.detector.probed(peer, result)) {
      // The others should know at once: two who found it closed are enough.
      this.#alert(now)
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

  /** The time of the lease may have come. */
  checkLease(now: number): void {
    const { lease, outbox, timers } = this.#context
    if (lease.isHeld && lease.until <= now) {
      lease.isHeld = false
      outbox.count('lapses')
      outbox.emit({ type: 'lease', held: false })
    } else if (lease.isHeld) {
      timers.set('lapse', lease.until)
    }
  }

  /**
   * The acceptors to ask. In large clusters only the majority that granted the last time, and a few
   * others in turn, so that all are heard now and then; all of them once that was not enough.
   */
  #renewed(view: View, isUrgent: boolean, now: number): readonly string[] {
    const { lease, rules, self } = this.#context
    const granters = rules.grantersOf(view, self.peer)
    const proven = lease.proven(view, now)
    if (isUrgent || proven === undefined || view.members.length <= announceMax) {
      return granters
    }
    const others = granters.filter((peer) => !proven.includes(peer))
    this.#turn += renewalSpare
    const spare = Array.from({ length: Math.min(renewalSpare, others.length) }, (_, index) => {
      return others[(this.#turn + index) % others.length] ?? ''
    })
    return [...proven, ...spare]
  }

  /** The next round goes to the acceptors too, soon; above full mesh alerts gather for a moment. */
  #alert(now: number): void {
    const { history, timers } = this.#context
    const isMesh = (history.view?.members.length ?? 0) <= fullMeshMax
    this.#isAlert = true
    timers.sooner('beat', isMesh ? now : now + alertBatchMs)
  }

  #grant(round: ReturnType<Lease['renew']>, by: string, now: number): void {
    const { lease, outbox, timers } = this.#context
    // After a stall a renewal may come before the timer that would have noticed the lapse, and
    // whoever found it lapsed meanwhile waits to be told.
    this.checkLease(now)
    if (!lease.granted(round, by, now)) {
      return
    }
    timers.set('lapse', lease.until)
    if (!lease.isHeld && lease.until > now) {
      lease.isHeld = true
      outbox.emit({ type: 'lease', held: true })
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
