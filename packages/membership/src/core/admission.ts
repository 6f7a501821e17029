import { isAbandoned } from '@murmuration/interface'
import type { View } from '@murmuration/interface'
import {
  askTimeoutMs,
  candidatesMax,
  candidateTtlMs,
  catchUpViewsMax,
  protocolVersions,
  unsettledMax
} from '../defaults.ts'
import type { Context } from './context.ts'
import { memberOf } from './lookup.ts'
import type { Candidate, Join, JoinAnswer, Leave, RefusalReason } from './messages.ts'
import { compareText, isRecordedAs } from './view-change.ts'

interface Waiting<T> {
  readonly value: T
  readonly until: number
}

interface Refusal {
  readonly reason: RefusalReason
  readonly explanation: string
}

/** Collects who wants to come and go, and refuses who does not fit. */
export class Admission {
  readonly #context: Context
  readonly #candidates = new Map<string, Waiting<Candidate>>()
  readonly #leavers = new Map<string, Waiting<string>>()

  constructor(context: Context) {
    this.#context = context
  }

  /** Answers a peer that asks to become a member, or a member that passes such a question on. */
  onJoin(from: string, join: Join, now: number): JoinAnswer {
    const { history, member, isLeaving, outbox } = this.#context
    const { candidate } = join
    const standing = this.#context.standing()
    const { view } = history
    if (view === undefined || member === undefined || isLeaving) {
      return { standing, status: 'elsewhere' }
    }
    const refusal = this.#refusal(from, join, view)
    if (refusal !== undefined) {
      outbox.count('joins_refused')
      outbox.log('info', `join of ${candidate.peer} refused: ${refusal.explanation}`)
      return { standing, status: 'refused', ...refusal }
    }
    const present = memberOf(view, candidate.peer)
    if (present !== undefined && isRecordedAs(present, candidate)) {
      return { standing, status: 'member' }
    }
    const { rolesOf } = this.#context.config
    const roles = join.forwarded ? candidate.roles : rolesOf?.(candidate.peer)
    this.submit({ ...candidate, ...(roles && { roles }) }, join.forwarded, now)
    return { standing, status: 'pending' }
  }

  /** Keeps a candidate, and tells the member that is first to propose: so joins come in batches. */
  submit(candidate: Candidate, isForwarded: boolean, now: number): void {
    const { config, detector, outbox, self } = this.#context
    this.#candidates.delete(candidate.peer)
    this.#candidates.set(candidate.peer, { value: candidate, until: now + candidateTtlMs })
    const [first] = [...detector.reachablePeers(now)].toSorted(compareText)
    if (!isForwarded && first !== undefined && first !== self.peer) {
      const join: Join = {
        standing: this.#context.standing(),
        candidate,
        placement: config.placement,
        lowest: protocolVersions.lowest,
        highest: protocolVersions.highest,
        forwarded: true
      }
      // Without an answer this peer proposes by itself, only later.
      outbox.request(first, 'join', join, askTimeoutMs, (answer, later) => {
        if (answer !== undefined) {
          this.#context.meet(first, answer.standing, later)
        }
      })
    }
    this.#context.consider(now)
  }

  /** A member asks the others to go on without it. */
  onLeave(from: string, leave: Leave, now: number): void {
    if (from === leave.peer) {
      this.#leavers.set(leave.peer, {
        value: leave.standing.incarnation,
        until: now + candidateTtlMs
      })
      this.#context.consider(now)
    }
  }

  stay(peer: string): void {
    this.#leavers.delete(peer)
  }

  isWaiting(peer: string, now: number): boolean {
    return (this.#candidates.get(peer)?.until ?? 0) > now
  }

  candidates(now: number): readonly Candidate[] {
    expire(this.#candidates, now)
    return [...this.#candidates.values()].map(({ value }) => value)
  }

  leavers(view: View, now: number): readonly string[] {
    expire(this.#leavers, now)
    return [...this.#leavers]
      .filter(([peer, { value }]) => memberOf(view, peer)?.incarnation === value)
      .map(([peer]) => peer)
  }

  /** Forgets the requests that a new view has fulfilled. */
  adopted(view: View): void {
    for (const peer of view.revoked?.peers ?? []) {
      this.#candidates.delete(peer)
    }
    for (const member of view.members) {
      const waiting = this.#candidates.get(member.peer)
      if (waiting !== undefined && isRecordedAs(member, waiting.value)) {
        this.#candidates.delete(member.peer)
      }
    }
    for (const peer of this.#leavers.keys()) {
      if (memberOf(view, peer) === undefined) {
        this.#leavers.delete(peer)
      }
    }
  }

  /** For a peer that goes to another cluster: who waited here must ask again there. */
  clear(): void {
    this.#candidates.clear()
    this.#leavers.clear()
  }

  #refusal(from: string, join: Join, view: View): Refusal | undefined {
    const { config, history } = this.#context
    const { candidate, placement, standing } = join
    const isFromMember = memberOf(view, from) !== undefined
    if (standing.cluster !== config.cluster) {
      const explanation = `this is the cluster ${config.cluster}, not ${standing.cluster}`
      return { reason: 'cluster-differs', explanation }
    }
    if (from !== candidate.peer && !(join.forwarded && isFromMember)) {
      const explanation = `${from} may not ask in the name of ${candidate.peer}`
      return { reason: 'identity-differs', explanation }
    }
    // Who passes it on has looked at the certificate; this peer may never have seen it.
    const roles = join.forwarded ? undefined : config.rolesOf?.(candidate.peer)
    if (roles !== undefined && !roles.includes('member')) {
      const explanation = `${candidate.peer} does not have the role of a member`
      return { reason: 'role-missing', explanation }
    }
    if (JSON.stringify(placementKey(placement)) !== JSON.stringify(placementKey(view.placement))) {
      const explanation = `the cluster places agents by ${JSON.stringify(view.placement)}`
      return { reason: 'placement-differs', explanation }
    }
    const { lowest, highest } = view.protocols ?? protocolVersions
    if (join.lowest > highest || join.highest < lowest) {
      const explanation = `the cluster speaks the protocol versions ${lowest} to ${highest}`
      return { reason: 'protocol-differs', explanation }
    }
    const serial = config.serialOf(candidate.peer)
    if (
      view.revoked?.peers.includes(candidate.peer) === true ||
      (serial !== undefined && view.revoked?.serials.includes(serial) === true)
    ) {
      return { reason: 'revoked', explanation: `${candidate.peer} was revoked` }
    }
    if (isAbandoned(view, candidate)) {
      const explanation = `the store of ${candidate.peer} was given up: it comes back with an empty one`
      return { reason: 'incarnation-retired', explanation }
    }
    if (history.isRetired(candidate.peer, candidate.incarnation)) {
      const explanation = `${candidate.peer} came back with a newer store; this one is retired`
      return { reason: 'incarnation-retired', explanation }
    }
    return this.#passingRefusal(candidate, view)
  }

  /** Refusals that may be gone when the candidate asks again. */
  #passingRefusal(candidate: Candidate, view: View): Refusal | undefined {
    const { history } = this.#context
    if (candidate.after - view.number > catchUpViewsMax) {
      const explanation = `${candidate.peer} has seen view ${candidate.after}, here is ${view.number}`
      return { reason: 'too-far-ahead', explanation }
    }
    if (history.views.length >= unsettledMax) {
      const explanation = `${history.views.length} views wait for their data to be copied`
      return { reason: 'too-many-unsettled', explanation }
    }
    if (this.#candidates.size >= candidatesMax && !this.#candidates.has(candidate.peer)) {
      return { reason: 'busy', explanation: `${candidatesMax} others wait` }
    }
    return undefined
  }
}

function placementKey(placement: View['placement']): readonly unknown[] {
  return [placement.hash, placement.slots, placement.zoneLabel]
}

function expire<T>(waiting: Map<string, Waiting<T>>, now: number): void {
  for (const [peer, { until }] of waiting) {
    if (until <= now) {
      waiting.delete(peer)
    }
  }
}
