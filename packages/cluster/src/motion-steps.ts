import { UnavailableError } from '@murmuration/interface'
import type { MovedAgents, View, ViewProposal } from '@murmuration/interface'
import {
  createPlacement,
  nextFall,
  nextPart,
  ownerWeightOf,
  riseOf,
  sharesAt,
  slotOf,
  withShares
} from '@murmuration/placement'
import type { Rise } from '@murmuration/placement'
import { defaults } from './defaults.ts'
import type { MotionAnswers } from './motion-answers.ts'
import type { MotionParts } from './motion.ts'
import { AskReply, AskRequest, OffersReply, OffersRequest } from './motion-messages.ts'
import type { Offers } from './motion-messages.ts'
import { fingerprintOf, ownedAgents } from './owned-agents.ts'
import type { OwnedAgent } from './owned-agents.ts'

/** What came of one step. */
export type Step =
  | { readonly type: 'done' }
  /** Who leaves has nothing more to give away. */
  | { readonly type: 'given' }
  /** Nothing may move yet: copies of what moved before are not on enough disks. */
  | { readonly type: 'unsettled' }
  /** Nor while owners cannot be heard. */
  | { readonly type: 'split' }
  /** Another member moves them for all. */
  | { readonly type: 'turn' }
  | {
      readonly type: 'moved'
      readonly moved: number
      readonly left: number
      readonly refused: readonly string[]
    }

export interface StepParts extends MotionParts {
  readonly answers: MotionAnswers
  /** Cancels a step until its view is proposed. */
  readonly signal: AbortSignal
}

/** An agent that one step takes from its owner to another peer. */
interface Leg extends OwnedAgent {
  readonly from: string
  readonly to: string
}

/**
 * A step of the members that have less than their share, by one for all of them: it asks all owners
 * for what would be theirs. Rising in proportion they take nothing from each other, so that whatever
 * moves moves once.
 */
export async function grow(
  parts: StepParts,
  { view, agentsMax }: { readonly view: View; readonly agentsMax: number }
): Promise<Step> {
  if (view.members.every((member) => ownerWeightOf(member) === 0)) {
    // Those that had agents are gone, and everybody owns by weight already.
    const all = view.members.map(({ peer }) => peer)
    await propose(parts, view, { share: sharesAt(view, all, 1) })
    return { type: 'done' }
  }
  const { rise, offered, left } = await offersFor(parts, view, agentsMax)
  if (left === 0) {
    await propose(parts, view, { share: sharesAt(view, rise.peers, rise.until) })
    return { type: 'done' }
  }
  const slots = offered.map(({ slot }) => slot)
  const share = sharesAt(view, rise.peers, nextPart(view, rise, slots, agentsMax))
  const next = createPlacement(withShares(view, share))
  const legs = offered.flatMap((agent): Leg[] => {
    const to = next.ownerOfSlot(agent.slot)?.peer
    return to === undefined || to === agent.from ? [] : [{ ...agent, to }]
  })
  const { allowed, refused } = await ask(parts, legs)
  await copy(parts, allowed)
  await propose(parts, view, { share, move: staying(refused) })
  return stepOf(left, allowed, refused)
}

const millionth = 1_000_000

type Offered = Omit<Leg, 'to'>

/** What all owners have for the members that rise next. */
async function offersFor(
  parts: StepParts,
  view: View,
  agentsMax: number
): Promise<{ readonly rise: Rise; readonly offered: readonly Offered[]; readonly left: number }> {
  const resting = new Set<string>()
  for (;;) {
    const { peers, until } = riseOf(view, (peer) => !resting.has(peer))
    // As it is told to the owners.
    const rise = { peers, until: Math.floor(until * millionth) / millionth }
    const request = OffersRequest.encode({
      shares: fingerprintOf(view),
      peers: [...rise.peers],
      until: Math.floor(until * millionth),
      max: agentsMax + 1
    })
    const replies = await Promise.all(
      view.members.map(async ({ peer }) => ({
        peer,
        ...(await offersOf(parts, peer, view, request))
      }))
    )
    const found = replies.filter(({ peer, rests }) => rests && rise.peers.includes(peer))
    if (found.length > 0) {
      // They were counted in: the others are asked for what they get without them.
      for (const { peer } of found) resting.add(peer)
      continue
    }
    const offered = replies.flatMap(({ peer: from, agents }) =>
      agents.map(({ id, key }): Offered => {
        return { id, key, slot: slotOf(key, view.placement.slots), from }
      })
    )
    return { rise, offered, left: replies.reduce((sum, reply) => sum + reply.left, 0) }
  }
}

/** A step of a peer that has more than its share: it brings its agents to those that get them. */
export async function shrink(
  parts: StepParts,
  {
    view,
    own,
    target,
    agentsMax,
    isSettled,
    isLeaving
  }: {
    readonly view: View
    readonly own: number
    /** The owner weight at its end, in thousandths. */
    readonly target: number
    readonly isSettled: boolean
    readonly isLeaving: boolean
    readonly agentsMax: (left: number) => number
  }
): Promise<Step> {
  const { rpc, state, agents } = parts
  const { hashed, moved } = ownedAgents(view, rpc.peer, state, agents)
  const away = createPlacement(withShares(view, [{ peer: rpc.peer, ownerWeight: target }]))
  const going = hashed.filter(({ slot }) => away.ownerOfSlot(slot)?.peer !== rpc.peer)
  const left = going.length + (isLeaving ? moved.length : 0)
  if (left === 0) {
    // Who leaves has nothing to give away and need not wait for a view that says so.
    if (isLeaving) return { type: 'given' }
    await propose(parts, view, { share: [{ peer: rpc.peer, ownerWeight: target }] })
    return { type: 'done' }
  }
  if (!isSettled) return { type: 'unsettled' }
  const isOtherOwner = view.members.some(
    (member) => member.peer !== rpc.peer && ownerWeightOf(member) > 0
  )
  if (!isOtherOwner) throw new UnavailableError('no other member has taken agents yet')
  if (going.length > 0 && own !== target) {
    const fall = { peer: rpc.peer, target }
    const slots = going.map(({ slot }) => slot)
    const share = [{ peer: rpc.peer, ownerWeight: nextFall(view, fall, slots, agentsMax(left)) }]
    const next = createPlacement(withShares(view, share))
    const legs = legsOf(going, rpc.peer, (slot) => next.ownerOfSlot(slot)?.peer)
    const { allowed, refused } = await ask(parts, legs)
    await copy(parts, allowed)
    await propose(parts, view, { share, move: staying(refused) })
    return stepOf(left, allowed, refused)
  }
  const some = moved.slice(0, agentsMax(left))
  const legs = legsOf(some, rpc.peer, (slot) => away.ownerOfSlot(slot)?.peer)
  const { allowed, refused } = await ask(parts, legs)
  await copy(parts, allowed)
  if (allowed.length > 0) {
    await propose(parts, view, { move: [{ peer: '', keys: allowed.map(({ key }) => key) }] })
  }
  return stepOf(left, allowed, refused)
}

function stepOf(left: number, allowed: readonly Leg[], refused: readonly Leg[]): Step {
  const rest = left - allowed.length
  return { type: 'moved', moved: allowed.length, left: rest, refused: refused.map(({ id }) => id) }
}

function legsOf(
  agents: readonly OwnedAgent[],
  from: string,
  ownerOf: (slot: number) => string | undefined
): readonly Leg[] {
  return agents.flatMap((agent) => {
    const to = ownerOf(agent.slot)
    return to === undefined || to === from ? [] : [{ ...agent, from, to }]
  })
}

async function offersOf(
  { rpc, signal }: StepParts,
  peer: string,
  view: View,
  request: Uint8Array
): Promise<Offers> {
  const timeoutMs = defaults.motionAskMs
  const bytes = await rpc.call(peer, 'placement.offers', request, { timeoutMs, signal })
  const offers = OffersReply.decode(bytes)
  if (offers.shares !== fingerprintOf(view)) {
    throw new UnavailableError(`${peer} is not in view ${view.number}`)
  }
  return offers
}

/** Asks where agents run whether they may move now. One whose type refuses stays where it is. */
async function ask<T extends Pick<Leg, 'id' | 'from' | 'to'>>(
  { rpc, answers, signal }: Pick<StepParts, 'rpc' | 'answers' | 'signal'>,
  legs: readonly T[]
): Promise<{ readonly allowed: readonly T[]; readonly refused: readonly T[] }> {
  const groups = Map.groupBy(legs, ({ from, to }) => `${from} ${to}`)
  const refused = new Set<string>()
  await Promise.all(
    [...groups.values()].map(async (group) => {
      const [first] = group
      if (first === undefined) return
      const ids = group.map(({ id }) => id)
      for (const id of await refusedBy({ rpc, answers, signal }, first, ids)) refused.add(id)
    })
  )
  return {
    allowed: legs.filter(({ id }) => !refused.has(id)),
    refused: legs.filter(({ id }) => refused.has(id))
  }
}

async function refusedBy(
  { rpc, answers, signal }: Pick<StepParts, 'rpc' | 'answers' | 'signal'>,
  { from, to }: Pick<Leg, 'from' | 'to'>,
  ids: readonly string[]
): Promise<readonly string[]> {
  if (from === rpc.peer) return answers.refused(ids, to)
  const request = AskRequest.encode({ peer: to, ids: [...ids] })
  const timeoutMs = defaults.motionAskMs
  return AskReply.decode(await rpc.call(from, 'placement.ask', request, { timeoutMs, signal }))
    .refused
}

/** Make before break: who will run them has copies first. */
async function copy({ state, signal }: StepParts, legs: readonly Leg[]): Promise<void> {
  const groups = Map.groupBy(legs, ({ from, to }) => `${from} ${to}`)
  await Promise.all(
    [...groups.values()].map(async (group) => {
      const [first] = group
      if (first === undefined) return
      const { from, to } = first
      const ids = group.map(({ id }) => id)
      if (!(await state.prepare(to, from, ids, { signal }))) {
        throw new UnavailableError(`${to} could not copy ${ids.length} agents from ${from}`)
      }
    })
  )
}

/** Agents that stay are moved to where they are, so that hashing does not take them along. */
function staying(refused: readonly Leg[]): readonly MovedAgents[] {
  const groups = Map.groupBy(refused, ({ from }) => from)
  return [...groups].map(([peer, legs]) => ({ peer, keys: legs.map(({ key }) => key) }))
}

/** While all others are as they were, or the step would move other agents than were asked and copied. */
async function propose(
  { membership, signal }: StepParts,
  { members }: View,
  change: Pick<ViewProposal, 'share' | 'move'>
): Promise<void> {
  const among = members.map((member) => {
    return { peer: member.peer, ownerWeight: ownerWeightOf(member) }
  })
  await membership.propose({ ...change, among }, { timeoutMs: defaults.moveTimeoutMs, signal })
}
