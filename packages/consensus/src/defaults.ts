/** How long an operation waits for its end. Unit: ms. Longer hides outages from callers. */
export const timeoutMsDefault = 5000

/** How long one message to an acceptor may take. Unit: ms. Longer delays the next attempt. */
export const requestTimeoutMs = 1000

/** How many times that a message to a slow acceptor gets: 4 s by default, within the time of an operation. */
export const requestPatience = 4

/** Largest value of a register. Unit: bytes: 256 KiB of data and 64 KiB of what frames it. */
export const valueBytesMax = 327_680

/** Replicas of a register where its key does not say, and what others may be used. */
export const replicasDefault = 3

/** Longest id or shard key. Unit: characters. Both must fit into a key of the store. */
export const idLengthMax = 1024

/** Operations of one register that wait; more are refused. Each waits for a round of all before it. */
export const waitingMax = 1024

/** Operations of this peer that wait, all registers together. */
export const operationsMax = 65_536

/** Changes of one register that share a round. Unit: changes. */
export const batchMax = 128

/** Registers whose promises and views this peer remembers as a proposer. Forgetting costs a round trip. */
export const proposersMax = 16_384

/**
 * Wait before a round is tried again, random up to this; doubles with each failure. Unit: ms. `rounds`: of
 * proposers that compete, each waits up to so many times what its last round took. Where a round takes
 * longer than they wait, they end each other's rounds for ever.
 */
export const backOffMs: {
  readonly first: number
  readonly longest: number
  readonly rounds: number
} = {
  first: 10,
  longest: 500,
  rounds: 8
}

/**
 * How long a first value waits for those who have not answered when a majority has: longer than between
 * two replicas of a healthy network. Then a second round, of a majority, is shorter. Unit: ms.
 */
export const firstWaitMs = 20

/** Values of one message. Unit: bytes. Must stay below what the RPC carries, with one value on top. */
export const messageBytesMax = 524_288

/** Requests of one message. */
export const messageItemsMax = 512

/** Messages to one acceptor that are under way at once; while they are, the next one grows. */
export const messagesInFlightMax = 4

/** Requests that wait for one acceptor; more get no answer. */
export const queueMax = 16_384

/** Records that this peer holds in memory. Others are read from the store when they are needed. */
export const recordsInMemoryMax = 65_536

/** Their values. Unit: bytes. */
export const recordBytesInMemoryMax = 67_108_864

/** Registers that this peer may hold as a replica; requests for more are refused. */
export const registersMax = 4_000_000

/** Registers that are moved to a new home set at once. */
export const movesInFlightMax = 64

/** Registers that are remembered as not moved yet; with more, all are looked at again. */
export const leftMax = 65_536

/** Names read from the store at once. */
export const pageMax = 256

/**
 * How long a move competes with whoever writes the register, at the first look; twice as long each time.
 * Whoever writes it moves it by that, which the next look finds. Unit: ms.
 */
export const agreeTimeoutMs = 1000

/** Before what is left to move is looked at for the second time; twice as long each time. Unit: ms. */
export const moveFirstRetryMs = 50

/** Looks at a register that somebody else is writing, before this peer has it agreed itself. */
export const patienceLooks = 4

/** Between two looks at whether a view may be reported, and between two reports of it. Unit: ms. */
export const moveRetryMs = 500

/** How long a peer waits for the first view or for a newer one that it was told of. Unit: ms. */
export const catchUpTimeoutMs = 3000

/** Slots that are looked at without a pause, when members were lost. Unit: slots. */
export const slotsPerTurn = 512
