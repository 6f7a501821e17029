import type { Member, Reachability, SelfIdentity } from '@murmuration/interface'
import { beatMs, lagMaxMs, meetMs } from '../defaults.ts'
import { Admission } from './admission.ts'
import type { Context, MachineConfig } from './context.ts'
import { Detector } from './detector.ts'
import type { ProbeResult } from './detector.ts'
import { Heartbeat } from './heartbeat.ts'
import { History } from './history.ts'
import type { HistoryChange, StoredHistory } from './history.ts'
import type { AcceptorState, Candidate, Chain, Decided, Standing } from './messages.ts'
import { Leaving } from './leaving.ts'
import { Outbox } from './outbox.ts'
import type { Answered, Batch, Sent } from './outbox.ts'
import { Pulling } from './pulling.ts'
import type { Rules } from './rules.ts'
import { Seeking } from './seeking.ts'
import { Timers } from './timers.ts'
import { firstDecision } from './view-change.ts'
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
  readonly #admission: Admission
  readonly #heartbeat: Heartbeat
  readonly #voting: Voting
  readonly #seeking: Seeking
  readonly #pulling: Pulling
  readonly #leaving: Leaving
  #stalledAt = Number.NEGATIVE_INFINITY

  constructor(config: MachineConfig, stored: Stored, now: number) {
    this.config = config
    this.self = config.self
    this.rules = config.rules
    this.history = new History(stored.history)
    this.detector = new Detector(config.self.peer, now)
    this.#admission = new Admission(this)
    this.#heartbeat = new Heartbeat(this, this.#admission)
    this.#leaving = new Leaving(this, this.#admission)
    this.#voting = new Voting(this, this.#admission, stored.acceptor)
    this.#seeking = new Seeking(this)
    this.#pulling = new Pulling(this)
    this.#begin(now)
  }

  get member(): Member | undefined {
    return this.history.view?.members.find((member) => this.rules.isSelf(this.self, member))
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
          this.#seeking.meet(this.config.contacts())
          this.timers.set('meet', now + meetMs)
          break
        case 'leave':
          this.#leaving.ask(now)
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
        this.outbox.answer(id, 'beat', this.#heartbeat.beat(now))
        break
      case 'prepare':
        this.outbox.answer(id, 'prepare', this.#voting.onPrepare(from, message, now))
        break
      case 'accept':
        this.outbox.answer(id, 'accept', this.#voting.onAccept(from, message, now))
        break
      case 'decided':
        this.#onDecided(from, message, now)
        this.outbox.answer(id, 'decided', { standing: this.standing() })
        break
      case 'view':
        this.outbox.answer(id, 'view', this.#chain(message.standing.lineage, message.after))
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

  reachability(peer: string, now: number): Reachability {
    return this.detector.reachability(peer, now)
  }

  standing(): Standing {
    const { incarnation, boot } = this.self
    const { lineage, number, settled, view } = this.history
    const size = this.member === undefined ? 0 : (view?.members.length ?? 0)
    return { cluster: this.config.cluster, lineage, number, settled, size, incarnation, boot }
  }

  candidate(): Candidate {
    const { peer, incarnation } = this.self
    return { peer, incarnation, ...this.config.profile(), after: this.history.number }
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
    const member = history.view?.members.find(({ peer }) => peer === from)
    const isAdmitted = member !== undefined && member.incarnation === standing.incarnation
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
    const { history } = this
    const previous = history.view
    const isForeign = chain.lineage !== history.lineage
    if (isForeign ? !this.#mayGoOver(chain) : !history.continues(chain)) {
      return false
    }
    const settled = history.settled
    const change = isForeign ? history.replace(chain) : history.extend(chain)
    const { view } = history
    if (view === undefined) {
      return false
    }
    this.#store(change)
    this.outbox.count('views')
    const { views } = history
    this.outbox.emit({ type: 'view', previous, view, views, settled: history.settled })
    if (history.settled !== settled) {
      this.outbox.emit({ type: 'settled', settled: history.settled, views })
    }
    this.outbox.emit({ type: 'keep', members: view.members })
    this.#voting.adopted()
    this.#admission.adopted(view)
    if (isForeign) {
      this.#admission.clear()
    }
    this.detector.track(view, now)
    this.#arrive(isForeign, now)
    return true
  }

  consider(now: number): void {
    this.#voting.consider(now)
  }

  #begin(now: number): void {
    const { history, self } = this
    if (history.view !== undefined) {
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

  /** Into another lineage only with nobody left behind, and only upwards in numbers. */
  #mayGoOver({ decisions }: StoredHistory): boolean {
    const view = decisions.at(-1)?.view
    return (
      view !== undefined &&
      (this.member === undefined || this.isAlone) &&
      view.number > this.history.number &&
      view.members.some((member) => this.rules.isSelf(this.self, member))
    )
  }

  #store({ added, dropped }: HistoryChange): void {
    const { history, outbox } = this
    const { lineage, settled } = history
    for (const number of dropped) {
      outbox.write({ type: 'forget', number })
    }
    for (const decision of added.filter(({ view }) => view.number >= settled)) {
      outbox.write({ type: 'view', decision })
    }
    outbox.write({ type: 'head', head: { lineage, settled } })
    outbox.write({ type: 'acceptor', state: undefined })
  }

  settle(number: number): void {
    const { history, outbox } = this
    const before = history.settled
    const dropped = history.settle(number)
    const { lineage, settled, views } = history
    if (settled === before) {
      return
    }
    for (const old of dropped) {
      outbox.write({ type: 'forget', number: old })
    }
    outbox.write({ type: 'head', head: { lineage, settled } })
    outbox.emit({ type: 'settled', settled, views })
  }

  #onDecided(from: string, { standing, decision }: Decided, now: number): void {
    const { lineage, settled } = standing
    const isNext = decision.view.number === this.history.number + 1
    if (standing.cluster !== this.config.cluster) {
      return
    }
    if (lineage === this.history.lineage && isNext) {
      this.adopt({ lineage, settled, decisions: [decision] }, now)
    } else if (decision.view.number > this.history.number) {
      this.pull(from)
    }
  }

  #chain(lineage: string, after: number): Chain {
    const { history } = this
    // A peer of another lineage needs all; one that only asks where this peer stands needs nothing.
    const isAll = lineage !== history.lineage && after !== Number.MAX_SAFE_INTEGER
    return { standing: this.standing(), decisions: history.page(isAll ? 0 : after) }
  }

  /** A timer that is late tells that this peer stood still; it then trusts no silence. */
  #checkLag(now: number): void {
    const due = this.timers.next
    if (due !== undefined && due > this.#stalledAt && now - due > lagMaxMs) {
      this.#stalledAt = now
      this.detector.stalled(now)
      this.outbox.count('stalls')
    }
  }
}
