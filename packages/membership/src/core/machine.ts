import type { Member, Reachability, SelfIdentity } from '@murmuration/interface'
import { lagMaxMs, protocolVersions } from '../defaults.ts'
import { Admission } from './admission.ts'
import { Adoption } from './adoption.ts'
import { Announcing } from './announcing.ts'
import type { Context, MachineConfig } from './context.ts'
import { Detector } from './detector.ts'
import type { ProbeResult } from './detector.ts'
import { Grants } from './grants.ts'
import { Heartbeat } from './heartbeat.ts'
import { History } from './history.ts'
import type { StoredHistory } from './history.ts'
import type { Candidate, Standing } from './messages.ts'
import type { AcceptorState } from './records.ts'
import { Lease } from './lease.ts'
import { Leaving } from './leaving.ts'
import { memberOf } from './lookup.ts'
import { Outbox } from './outbox.ts'
import type { Answered, Batch, Sent } from './outbox.ts'
import { paceOf } from './pace.ts'
import { Proposals } from './proposals.ts'
import { Pulling } from './pulling.ts'
import { Replacing } from './replacing.ts'
import type { Rules } from './rules.ts'
import { Seeking } from './seeking.ts'
import { Timers } from './timers.ts'
import { firstDecision, forcedDecision } from './view-change.ts'
import { Voting } from './voting.ts'

/** What the store held. */
export interface Stored {
  readonly history?: StoredHistory
  readonly acceptor?: AcceptorState
}

/**
 * One peer's part in the membership protocol, without input or output: it is told what happened and
 * when, and hands out batches of what to store and what to do.
 */
export class Machine implements Context {
  readonly config: MachineConfig
  readonly self: SelfIdentity
  readonly rules: Rules
  readonly outbox: Outbox = new Outbox()
  readonly timers: Timers = new Timers()
  readonly history: History
  readonly detector: Detector
  readonly lease: Lease
  readonly grants: Grants
  readonly #adoption: Adoption
  readonly replacing: Replacing = new Replacing()
  readonly proposals: Proposals
  readonly #announcing: Announcing
  readonly #admission: Admission
  readonly #heartbeat: Heartbeat
  readonly #voting: Voting
  readonly #seeking: Seeking
  readonly #pulling: Pulling
  readonly #leaving: Leaving
  /** The last one, so that messages that say the same are the same. */
  #standing: Standing | undefined
  #stalledAt = Number.NEGATIVE_INFINITY

  constructor(config: MachineConfig, stored: Stored, now: number) {
    this.config = config
    this.self = config.self
    this.rules = config.rules
    this.history = new History(stored.history)
    this.detector = new Detector(config.self.peer)
    this.lease = new Lease(config.self.peer, config.rules)
    this.grants = new Grants(config.rules, this.history.view, now)
    this.#announcing = new Announcing(this)
    this.#adoption = new Adoption(this, this.replacing, this.#announcing)
    this.proposals = new Proposals(this)
    this.#admission = new Admission(this)
    this.#leaving = new Leaving(this, this.#admission)
    this.#voting = new Voting(
      this,
      this.#admission,
      this.proposals,
      this.#announcing,
      stored.acceptor,
      now
    )
    this.#heartbeat = new Heartbeat(this, this.#admission, this.#voting)
    this.#seeking = new Seeking(this)
    this.#pulling = new Pulling(this)
    this.#begin(now)
  }

  get member(): Member | undefined {
    const member = memberOf(this.history.view, this.self.peer)
    return member !== undefined && this.rules.isSelf(this.self, member) ? member : undefined
  }

  get isAlone(): boolean {
    return this.member !== undefined && this.history.view?.members.length === 1
  }

  get isLeaving(): boolean {
    return this.#leaving.isLeaving
  }

  /** When `wake` is due. */
  get wakeAt(): number | undefined {
    return this.timers.next
  }

  /** What to do now; call after each input until there is nothing. */
  drain(): Batch | undefined {
    return this.outbox.drain()
  }

  /** The timer asked for by `wakeAt` has fired. */
  wake(now: number): void {
    this.#checkLag(now)
    for (const name of this.timers.due(now)) {
      switch (name) {
        case 'beat':
          this.#heartbeat.beatAll(now)
          break
        case 'propose':
          this.#voting.propose(now)
          break
        case 'attempt':
          this.#voting.expire(now)
          break
        case 'join':
          this.#seeking.seek(now)
          this.#voting.isFrozen = this.#seeking.isMoving
          break
        case 'meet':
          this.#seeking.look(now)
          break
        case 'leave':
          this.#leaving.ask(now)
          break
        case 'renew':
          this.#heartbeat.renew(now)
          break
        case 'lapse':
          this.#heartbeat.checkLease(now)
          break
      }
    }
  }

  /** A peer asks. The answer comes in a batch, with this id. */
  asked(id: number, from: string, sent: Sent, now: number): void {
    this.#checkLag(now)
    const { method, message } = sent
    this.meet(from, message.standing, now)
    switch (method) {
      case 'beat':
        this.#heartbeat.onBeat(from, message, now)
        this.outbox.answer(id, 'beat', this.#heartbeat.answer(from, message, now))
        break
      case 'prepare':
        this.outbox.answer(id, 'prepare', this.#voting.onPrepare(from, message, now))
        break
      case 'accept':
        this.outbox.answer(id, 'accept', this.#voting.onAccept(from, message, now))
        break
      case 'decided':
        this.#adoption.onDecided(from, message, now)
        this.outbox.answer(id, 'decided', { standing: this.standing() })
        break
      case 'view':
        this.outbox.answer(
          id,
          'view',
          this.#adoption.chain(message.standing.lineage, message.after)
        )
        break
      case 'join':
        this.outbox.answer(id, 'join', this.#admission.onJoin(from, message, now))
        break
      case 'leave':
        this.#admission.onLeave(from, message, now)
        this.outbox.answer(id, 'leave', { standing: this.standing() })
        break
    }
  }

  /** A request was answered, or not in time. */
  answered(id: number, answered: Answered | undefined, now: number): void {
    this.#checkLag(now)
    this.outbox.settle(id, answered, now)
  }

  /** A connection to a peer was opened or has ended. */
  linked(peer: string, isConnected: boolean, now: number): void {
    this.#checkLag(now)
    if (!isConnected) {
      if (this.detector.watched.includes(peer)) {
        this.outbox.emit({ type: 'probe', peer })
      }
    } else if (this.member === undefined) {
      this.timers.sooner('join', now)
    } else {
      this.#seeking.meet([peer])
    }
  }

  /** A probe that was asked for has ended. */
  probed(peer: string, result: ProbeResult, now: number): void {
    this.#checkLag(now)
    this.#heartbeat.probed(peer, result, now)
  }

  leave(now: number): void {
    this.#leaving.leave(now)
  }

  /** Takes `leave` back, if it is not decided yet. */
  stay(): void {
    this.#leaving.stay()
  }

  /** All data of this peer is where view `number` wants it. */
  report(number: number, now: number): void {
    if (number === this.history.number && this.member !== undefined) {
      this.history.report(this.self.peer)
      this.#heartbeat.checkSettled(now)
    }
  }

  /** Makes a view of these members without asking anybody: see `ViewControl.forceView`. */
  force(peers: ReadonlySet<string>, reason: string, now: number): void {
    const { lineage, settled, view } = this.history
    if (view !== undefined) {
      // By chance too, so that two that are forced apart differ, and the higher one wins.
      const step = this.rules.forcedStep
      const number = view.number + step + Math.floor(step * this.config.random.next())
      const decision = forcedDecision(view, number, peers, this.self.peer, reason)
      this.#announcing.announce(view, { lineage, settled, decisions: [decision] }, now)
    }
  }

  /** The machine was suspended, clock and all: nothing that it counted by that clock holds. */
  suspended(now: number): void {
    this.endLease()
    this.detector.stalled(now, Number.POSITIVE_INFINITY)
    this.outbox.count('stalls')
  }

  reachability(peer: string, now: number): Reachability {
    return this.detector.reachability(peer, now)
  }

  standing(): Standing {
    const { incarnation, boot } = this.self
    const { lineage, number, settled, view } = this.history
    const size = this.member === undefined ? 0 : (view?.members.length ?? 0)
    const last = this.#standing
    if (last?.number === number && last.settled === settled && last.lineage === lineage) {
      return last
    }
    const { cluster } = this.config
    this.#standing = { cluster, lineage, number, settled, size, incarnation, boot }
    return this.#standing
  }

  candidate(): Candidate {
    const { peer, incarnation } = this.self
    const after = this.history.number
    return { peer, incarnation, ...this.config.profile(), protocols: protocolVersions, after }
  }

  meet(from: string, standing: Standing, now: number): void {
    const { history } = this
    if (standing.cluster !== this.config.cluster || standing.lineage === '') {
      return
    }
    if (this.member === undefined && standing.size > 0) {
      this.#seeking.hint(from)
    }
    if (standing.lineage !== history.lineage) {
      if (history.lineage !== '' && standing.size > 0) {
        this.#seeking.met(from, standing, now)
        this.#voting.isFrozen = this.#seeking.isMoving
      }
      return
    }
    const member = memberOf(history.view, from)
    const isAdmitted = member !== undefined && member.incarnation === standing.incarnation
    if (isAdmitted && this.replacing.heard(from, standing.incarnation, standing.boot)) {
      this.outbox.emit({ type: 'started' })
    }
    if (isAdmitted && this.detector.heard(from, standing.number >= history.number, now)) {
      this.#heartbeat.showReachability(now)
    }
    if (standing.number > history.number) {
      this.pull(from)
    } else if (isAdmitted) {
      this.settle(standing.settled)
    }
  }

  pull(from: string): void {
    this.#pulling.pull(from)
  }

  adopt(chain: StoredHistory, now: number): boolean {
    const isForeign = chain.lineage !== this.history.lineage
    const isAdopted = this.#adoption.adopt(chain, now)
    const { view } = this.history
    if (isAdopted && view !== undefined) {
      this.#voting.adopted()
      this.grants.adopted(now)
      this.#admission.adopted(view)
      if (isForeign) {
        this.#admission.clear()
      }
      if (isForeign || this.member === undefined) {
        this.endLease()
      }
      this.detector.track(view, now)
      this.#arrive(isForeign, now)
    }
    return isAdopted
  }

  settle(number: number): void {
    this.#adoption.settle(number)
  }

  endLease(): void {
    this.lease.drop()
    if (this.lease.isHeld) {
      this.lease.isHeld = false
      this.outbox.emit({ type: 'lease', held: false })
    }
  }

  consider(now: number): void {
    this.#voting.consider(now)
  }

  #begin(now: number): void {
    const { history, self } = this
    if (history.view !== undefined) {
      this.replacing.begin(history.view, now)
      this.detector.track(history.view, now)
      this.outbox.emit({ type: 'keep', members: history.view.members })
      this.#arrive(false, now)
      this.timers.set('beat', now)
    } else if (this.config.found) {
      const { cluster, placement } = this.config
      const decision = firstDecision(cluster, placement, this.candidate())
      const lineage = `${self.peer}#${self.incarnation}`
      this.adopt({ lineage, settled: 1, decisions: [decision] }, now)
    } else {
      this.timers.set('join', now)
    }
  }

  /** What follows from the view that now holds. */
  #arrive(isForeign: boolean, now: number): void {
    this.#seeking.adopted(isForeign, now)
    this.#voting.isFrozen = this.#seeking.isMoving
    const { member } = this
    const { beatMs } = paceOf(this.history.view?.members.length ?? 1)
    if (member === undefined) {
      this.timers.clear('beat', 'meet')
      if (this.isLeaving) {
        this.timers.clear('leave', 'join')
        this.outbox.emit({ type: 'left' })
      }
    } else if (this.isLeaving && !this.isAlone) {
      // Admitted after all, because its request was on the way: it asks again to leave.
      this.timers.sooner('leave', now)
      this.timers.sooner('beat', now + beatMs)
    } else if (member.since === this.history.number) {
      // The others let nobody else in before they have heard of those who came.
      this.timers.set('beat', now)
    } else {
      this.timers.sooner('beat', now + beatMs)
    }
    this.#heartbeat.showReachability(now)
    this.consider(now)
  }

  /** A timer that is late tells that this peer stood still; it then trusts no silence. */
  #checkLag(now: number): void {
    const due = this.timers.next
    if (due !== undefined && due > this.#stalledAt && now - due > lagMaxMs) {
      this.#stalledAt = now
      if (this.rules.doubtsItself) {
        this.detector.stalled(now, now - due)
      }
      this.outbox.count('stalls')
    }
  }
}
