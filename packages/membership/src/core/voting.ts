import type { View } from '@murmuration/interface'
import { attemptMs, batchMs, rankDelayMs, rankMax } from '../defaults.ts'
import { Acceptor } from './acceptor.ts'
import type { Admission } from './admission.ts'
import type { Announcing } from './announcing.ts'
import type { Context } from './context.ts'
import type { Accept, Candidate, Prepare, Standing, Vote } from './messages.ts'
import type { AcceptorState, Ballot } from './records.ts'
import type { Proposals } from './proposals.ts'
import { pack, unpack } from './packing.ts'
import { Proposer } from './proposer.ts'
import type { Step } from './proposer.ts'
import { memberOf } from './lookup.ts'
import { acceptorsOf } from './quorum.ts'
import { compareText, isEmpty, nextDecision } from './view-change.ts'
import type { Change } from './view-change.ts'

/** Decides the next view together with the other acceptors of the present one. */
export class Voting {
  readonly #context: Context
  readonly #admission: Admission
  readonly #proposals: Proposals
  readonly #announcing: Announcing
  readonly #acceptor: Acceptor
  readonly #proposer: Proposer
  /** When this peer last voted; after a restart, when it started. */
  #acceptedAt: number
  /** Since when there is something to decide. */
  #pendingSince: number | undefined
  /** While true, this peer decides and votes nothing: it is on its way to another cluster. */
  isFrozen = false

  constructor(
    context: Context,
    admission: Admission,
    proposals: Proposals,
    announcing: Announcing,
    stored: AcceptorState | undefined,
    now: number
  ) {
    const { peer, incarnation, boot } = context.self
    this.#context = context
    this.#admission = admission
    this.#proposals = proposals
    this.#announcing = announcing
    this.#acceptor = new Acceptor(stored)
    this.#acceptedAt = now
    this.#proposer = new Proposer(`${peer}#${incarnation}#${boot}`, context.rules)
  }

  onPrepare(from: string, prepare: Prepare, now: number): Vote {
    const { standing: asked, number, ballot, removes } = prepare
    const { history } = this.#context
    const standing = this.#context.standing()
    const refusal = this.#refusal(from, asked, number, removes, now)
    if (refusal !== undefined) {
      return { standing, status: refusal }
    }
    const answer = this.#acceptor.prepare(number, ballot)
    if (answer.status === 'conflict') {
      return { standing, status: 'conflict', promised: answer.promised }
    }
    this.#proposer.yieldTo(ballot, now)
    if (this.#context.rules.promisesAreDurable) {
      this.#context.outbox.write({ type: 'acceptor', state: answer.state })
    }
    const { accepted } = answer.state
    if (accepted === undefined) {
      return { standing, status: 'yes' }
    }
    const decision = pack(history.view, accepted.decision)
    return { standing, status: 'yes', accepted: { ballot: accepted.ballot, decision } }
  }

  onAccept(from: string, accept: Accept, now: number): Vote {
    const { standing: asked, number, ballot, decision: packed, removes } = accept
    const { grants, history, outbox } = this.#context
    const standing = this.#context.standing()
    const refusal = this.#refusal(from, asked, number, removes, now)
    const decision = unpack(history.view, packed)
    if (refusal !== undefined || decision?.view.number !== number) {
      return { standing, status: refusal ?? 'elsewhere' }
    }
    const answer = this.#acceptor.accept(number, ballot, decision)
    if (answer.status === 'conflict') {
      return { standing, status: 'conflict', promised: answer.promised }
    }
    this.#acceptedAt = now
    this.#proposer.yieldTo(ballot, now)
    outbox.write({ type: 'acceptor', state: answer.state })
    const graceMs =
      history.view === undefined ? 0 : grants.graceMs(history.view, decision.view, now)
    return { standing, status: 'yes', graceMs }
  }

  /**
   * Whether this peer grants the lease of a member, at the same view. Not after it voted for the
   * next view, whether or not that has the member: of two further views it might learn nothing.
   */
  grants(peer: string, now: number): boolean {
    const { grants, history, member, rules, self } = this.#context
    const { view } = history
    if (view === undefined || member === undefined || this.isFrozen || grants.isQuiet(now)) {
      return false
    }
    const voted = this.#acceptor.accepted(view.number + 1)
    const isOver = voted !== undefined && rules.endsGrant(voted.decision.view, peer)
    if (isOver || !rules.grantersOf(view, peer).includes(self.peer)) {
      return false
    }
    grants.grant(peer, now)
    return true
  }

  /** Plans a proposal if something is to be decided; the member that is first in order goes first. */
  consider(now: number): void {
    const { history, member, timers } = this.#context
    const { view } = history
    if (view === undefined || member === undefined || this.isFrozen) {
      timers.clear('propose')
      return
    }
    const change = this.#change(view, now)
    if (isEmpty(change) && !this.#isUnfinished(view, now)) {
      this.#pendingSince = undefined
      timers.clear('propose')
      return
    }
    if (this.#proposer.deadline === undefined) {
      this.#pendingSince ??= now
      const { quietUntil, rivalUntil } = this.#proposer
      const turn = this.#rank(change, now) * rankDelayMs
      const from = Math.max(this.#pendingSince + batchMs, rivalUntil)
      timers.set('propose', Math.max(now, from + turn, quietUntil))
    }
  }

  /** Proposes the next view, if this peer can reach enough others for it. */
  propose(now: number): void {
    const { detector, history, member, outbox, rules } = this.#context
    const { view } = history
    if (view === undefined || member === undefined || this.#proposer.deadline !== undefined) {
      return
    }
    const change = this.#change(view, now)
    const reachable = detector.reachablePeers(now)
    // Without a majority nothing can be decided; the next heartbeat looks again.
    const isNothing = isEmpty(change) && !this.#isUnfinished(view, now)
    if (this.isFrozen || isNothing || !rules.isMajority(view, reachable, reachable)) {
      return
    }
    const number = view.number + 1
    const removes = change.remove
    const above = this.#acceptor.promised(number)
    const ballot = this.#proposer.begin(view, nextDecision(view, change), removes, above, now)
    outbox.count('attempts')
    const standing = this.#context.standing()
    this.#poll(view, 'prepare', { standing, number, ballot, removes }, now)
  }

  /** The running attempt took too long. */
  expire(now: number): void {
    if (this.#proposer.deadline !== undefined) {
      this.#fail(now)
    }
  }

  /** A new view holds: what was promised for it is over. */
  adopted(): void {
    this.#acceptor.forget()
    this.#proposer.cancel()
    this.#pendingSince = undefined
    this.#context.timers.clear('attempt', 'propose')
  }

  /** Why this peer gives no vote, if so. */
  #refusal(
    from: string,
    asked: Standing,
    number: number,
    removes: readonly string[],
    now: number
  ): 'elsewhere' | 'veto' | undefined {
    const { detector, grants, history, outbox, rules, self } = this.#context
    const { view } = history
    const own = view && acceptorsOf(view).find(({ peer }) => peer === self.peer)
    const isHere =
      own !== undefined &&
      rules.isSelf(self, own) &&
      history.lineage === asked.lineage &&
      history.number + 1 === number &&
      memberOf(history.view, from) !== undefined
    if (!isHere || this.isFrozen) {
      return 'elsewhere'
    }
    if (removes.length > 0 && grants.isQuiet(now)) {
      // It has just started and heard nobody yet (rule 8).
      return 'veto'
    }
    const vouchedFor = removes.find((peer) => peer === self.peer || detector.vouchesFor(peer, now))
    if (vouchedFor !== undefined) {
      outbox.count('vetoes')
      outbox.emit({ type: 'probe', peer: vouchedFor })
      outbox.log('info', `no vote for removing ${vouchedFor}, which was heard just now`)
      return 'veto'
    }
    return undefined
  }

  #poll(view: View, phase: 'prepare' | 'accept', message: Prepare | Accept, now: number): void {
    const { outbox, rules, self, timers } = this.#context
    const { ballot } = message
    const deadline = this.#proposer.deadline ?? now
    const timeoutMs = deadline - now
    timers.set('attempt', deadline)
    const acceptors = acceptorsOf(view)
    for (const { peer, incarnation } of acceptors) {
      if (peer === self.peer) {
        continue
      }
      const done = (vote: Vote | undefined, later: number): void => {
        if (vote !== undefined) {
          this.#context.meet(peer, vote.standing, later)
        }
        // A vote of another life of this peer's store is no vote of the acceptor.
        const voter = { peer, incarnation: vote?.standing.incarnation ?? '', boot: 0 }
        const isValid = rules.isSelf(voter, { peer, incarnation })
        this.#count(peer, ballot, phase, isValid ? vote : undefined, later)
      }
      if ('decision' in message) {
        outbox.request(peer, 'accept', message, timeoutMs, done)
      } else {
        outbox.request(peer, 'prepare', message, timeoutMs, done)
      }
    }
    if (acceptors.some(({ peer }) => peer === self.peer)) {
      const vote =
        'decision' in message
          ? this.onAccept(self.peer, message, now)
          : this.onPrepare(self.peer, message, now)
      this.#count(self.peer, ballot, phase, vote, now)
    }
  }

  #count(
    peer: string,
    ballot: Ballot,
    phase: 'prepare' | 'accept',
    vote: Vote | undefined,
    now: number
  ): void {
    const visible = this.#context.detector.reachablePeers(now)
    this.#follow(this.#proposer.vote(peer, ballot, phase, vote, visible, now), now)
  }

  #follow(step: Step, now: number): void {
    const { history } = this.#context
    const { view } = history
    if (step.type === 'failed') {
      this.#fail(now)
    } else if (step.type === 'accept' && view !== undefined) {
      const { ballot, removes } = step
      const decision = pack(view, step.decision)
      const standing = this.#context.standing()
      const number = view.number + 1
      this.#poll(view, 'accept', { standing, number, ballot, decision, removes }, now)
    } else if (step.type === 'decided' && view !== undefined) {
      const { lineage, settled } = history
      this.#announcing.announce(view, { lineage, settled, decisions: [step.decision] }, now)
    }
  }

  #fail(now: number): void {
    const { config, outbox, timers } = this.#context
    outbox.count('attempts_failed')
    timers.clear('attempt')
    this.#proposer.fail(now, config.random.next())
    this.consider(now)
  }

  /** This peer voted, and nobody told of a decision: it must be found out, for it ends grants. */
  #isUnfinished(view: View, now: number): boolean {
    const isOpen = this.#acceptor.accepted(view.number + 1) !== undefined
    return isOpen && now - this.#acceptedAt >= attemptMs
  }

  /** This peer's place among the members that can propose. */
  #rank(change: Change, now: number): number {
    const { detector, self } = this.#context
    const going = new Set([...change.remove, ...change.leave, ...(change.expelled ?? [])])
    const order = [...detector.reachablePeers(now)]
      .filter((peer) => peer === self.peer || !going.has(peer))
      .toSorted(compareText)
    return Math.min(rankMax, order.indexOf(self.peer))
  }

  #change(view: View, now: number): Change {
    const { detector, rules, self } = this.#context
    const leave = this.#admission.leavers(view, now)
    const expelled = this.#proposals.expelled(view)
    const proposals = this.#proposals.missingIn(view)
    const remove = detector
      .removable(now)
      .filter((peer) => peer !== self.peer && !leave.includes(peer) && !expelled.includes(peer))
    const going = new Set([...leave, ...remove, ...expelled])
    const waiting = this.#admission.candidates(now).filter((candidate) => {
      const present = memberOf(view, candidate.peer)
      return !(present !== undefined && going.has(candidate.peer) && isSame(present, candidate))
    })
    const { confirmed } = detector
    if (!rules.isMajority(view, confirmed, confirmed)) {
      // Nobody comes in before a majority has been heard in this view.
      return { join: [], remove, leave, expelled, proposals, advance: false }
    }
    const ready = waiting.filter(({ after }) => after <= view.number)
    const join = limited(view, going, ready)
    const advance = join.length === 0 && ready.length < waiting.length
    return { join, remove, leave, expelled, proposals, advance }
  }
}

/**
 * Never more new members than old ones that stay, so that the old ones alone still decide the view
 * after, even if none of the new ones ever arrives.
 */
function limited(
  view: View,
  going: ReadonlySet<string>,
  ready: readonly Candidate[]
): readonly Candidate[] {
  const staying = new Map(
    view.members.filter(({ peer }) => !going.has(peer)).map((member) => [member.peer, member])
  )
  let room = staying.size
  return ready.filter((candidate) => {
    const present = staying.get(candidate.peer)
    if (present !== undefined && isSame(present, candidate)) {
      return true
    }
    // A replaced member stays no longer, and a new one comes.
    const cost = present === undefined ? 1 : 2
    if (room < cost) {
      return false
    }
    room -= cost
    return true
  })
}

function isSame(a: { readonly incarnation: string }, b: { readonly incarnation: string }): boolean {
  return a.incarnation === b.incarnation
}
