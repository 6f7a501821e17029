/**
 * The times and bounds of this package; times are in milliseconds. Those of watching each other
 * depend on the number of members and stand together in `core/pace.ts`.
 */

/** Deadline of one heartbeat. Two beats may be on their way at once, so one loss costs no round. */
export const beatTimeoutMs = 1000

/** How late the own timer may fire before this peer distrusts what it did not hear meanwhile. */
export const lagMaxMs = 200

/**
 * How far two monotonic clocks may drift apart, as a part of the time that passes. Crystals keep
 * within 0.01 %; virtual machines that are slewed by their host come near 5 %.
 */
export const clockDrift = 0.05

/**
 * How much further the wall clock may go than the monotonic one before this peer takes it for a
 * suspended machine, whose monotonic clock stood still, and gives up its lease.
 */
export const suspendMaxMs = 50

/** Accusations in one heartbeat. More are cut off; the rest travels with later ones. */
export const accusationsMax = 256

/** Everybody watches everybody up to so many members; above, the edges of an expander. */
export const fullMeshMax = 11

/** Reports of observers from which on a peer should go, of {@link ringCount}. */
export const highMark = 9

/** Fewer reports than this are taken for noise of single links. */
export const lowMark = 3

/** Where not all watch all, alerts of closed ports are gathered for so long before they are sent. */
export const alertBatchMs = 100

/** Rings of the expander, thus peers that each peer watches above {@link fullMeshMax}. */
export const ringCount = 10

/** Members that vote on the next view; above, so many are chosen by hashing. Odd. */
export const acceptorsMax = 21

/** In views of more members news is passed on from member to member, not told by one to all. */
export const announceMax = 50

/** Acceptors that are asked for a lease beside the majority that granted the last one. */
export const renewalSpare = 2

/** How long changes are collected before a view is proposed. Longer makes fewer, larger changes. */
export const batchMs = 100

/** A member waits so much longer than the one before it (by PeerId) before it proposes. */
export const rankDelayMs = 250

/** Ranks that are told apart; later ones wait as long as the last. */
export const rankMax = 8

/**
 * One phase of an attempt to decide a view, and what is left to an attempt of somebody else; then
 * another ballot is tried. It doubles each time that it was too short.
 */
export const attemptMs = 1000

/** How much too early a timer may fire: what was cut off at its time may end a moment before it. */
export const timerErrorMs = 1

/** Longest phase of an attempt. */
export const attemptMaxMs = 8000

/** Ceiling of the first back-off after a failed attempt; it doubles with each failure. */
export const backoffBaseMs = 100

/** Highest ceiling of the back-off. */
export const backoffMaxMs = 2000

/** Deadline of telling a member of a view that was decided. */
export const announceTimeoutMs = 1000

/** Deadline of a question for views, of a join and of a leave. */
export const askTimeoutMs = 2000

/** Time between two requests to be admitted. */
export const joinRetryMs = 1000

/** Peers asked for admission at once. */
export const joinTargetsMax = 3

/** How long a request to join or leave is kept; longer than several retries. */
export const candidateTtlMs = 5000

/** Requests to join that wait. More are refused and come again. */
export const candidatesMax = 1024

/** Time between two requests of a leaving peer. */
export const leaveRetryMs = 500

/** How often a peer that is alone in its view looks for others. */
export const meetMs = 5000

/** How long a peer that is alone asks for admission elsewhere before it gives up. */
export const moveMs = 10_000

/** A peer that gave up waits so long before it decides views of its own again. */
export const moveQuietMs = 6000

/** How far a joiner's highest view number may be ahead; each step costs one view. */
export const catchUpViewsMax = 256

/** Unsettled views that are kept. At the bound joins are refused, for nothing may be dropped. */
export const unsettledMax = 1000

/** Views in one answer. */
export const pageViewsMax = 64

/** Members in all views of one answer together: keeps the answer below 1 MiB. */
export const pageMembersMax = 2000

/** Deadline of `catchUp` where no signal ends it sooner. */
export const catchUpTimeoutMs = 10_000

/** How often a follower outside the view asks for news. */
export const followMs = 1000

/** Time after which a failed write to the store is tried again. Nothing is answered meanwhile. */
export const writeRetryMs = 1000

/** Requests that wait for the store; more are answered `OverloadedError`. */
export const backlogMax = 4096

/**
 * How much higher the number of a forced view is, at least; each view that others decide meanwhile
 * costs one. By chance it is up to twice as much.
 */
export const forcedStep = 1000

/** Lives of disks that were given up, in a view; they are named for ever, so that none comes back. */
export const abandonedMax = 1024

/** Revoked PeerIds in a view, and revoked serials. Expired serials can be taken back. */
export const revokedMax = 1024

/** Agents in a view that are not where hashing puts them: each travels with every view. */
export const movedMax = 2048

/** Characters of the shard key or id of such an agent. */
export const movedKeyMax = 512

/** Characters of all of them together: keeps a view well below 1 MiB. */
export const movedTextMax = 131_072

/** Proposals of people that wait on one peer. More are refused. */
export const proposalsMax = 64

/** Forced views in a view that nobody has acknowledged; at the bound no more can be forced. */
export const forcedMax = 16

/** Deadline of one peer's answer before a view is forced. */
export const forceAskTimeoutMs = 3000

/** Heartbeats that are remembered decoded: one request and one answer of each peer that is met. */
export const decodedMax = 4096

/** Members of a view. */
export const membersMax = 4096

/** Addresses of one member. */
export const addressesMax = 16

/** Labels of one member. */
export const labelsMax = 32

/** Length of a PeerId, incarnation, label or cluster name, in characters. */
export const textMax = 256

/** Length of one address, in characters. */
export const addressMax = 512

/** Share of agents that a member may ask for. */
export const weightMax = 1000

/** The protocol versions that this code speaks. */
export const protocolVersions: { readonly lowest: number; readonly highest: number } = {
  lowest: 1,
  highest: 1
}
