/** How long `own()` waits for copies to be merged. Unit: ms. Longer hides outages from callers. */
export const ownTimeoutMs = 5000

/** How long `commit()` waits for copies. Unit: ms. Afterwards the outcome is unknown. */
export const commitTimeoutMs = 5000

/** How long a question to another peer may take. Unit: ms. */
export const requestTimeoutMs = 2000

/** How late a replica may be before a hedged read asks one more, at most. Unit: ms. */
export const hedgeAfterMsMax = 60_000

/** Replicas that a hedged read asks besides the first. Unit: peers. Each costs them a whole answer. */
export const hedgesMax = 2

/**
 * How long a replica waits for what a session has seen, before the owner is asked. Unit: ms. About
 * what an update needs to reach all replicas: longer delays reads of replicas that are behind.
 */
export const sessionWaitMs = 20

/** Between two looks at whether it has come. Unit: ms. */
export const sessionPollMs = 2

/**
 * How far the clock of an owner may be from the median of its view. Unit: ms. Concurrent writes of a
 * last-writer-wins register may be ordered wrongly by as much; lower values refuse updates where
 * clocks are set by hand.
 */
export const clockSkewMs = 500

/**
 * How long a stream of copies may stand still. Unit: ms. It may take as long as it likes in all. Less
 * finds a silent source earlier; a large document must be encoded in that time.
 */
export const progressMs = 5000

/** A stream of copies that broke goes on so often without a further copy, then its cause tries anew. */
export const resumesMax = 3

/** Streams of copies that one peer gives away at once; each may hold one whole document in memory. */
export const copyStreamsMax = 16

/** How long a part of a large document is kept for the stream that goes on. Unit: ms. */
export const assemblyMs = 60_000

/** Documents that are asked for by one stream of copies. Unit: documents. */
export const copiesMax = 1024

/** Documents that are copied ahead of a move by one request. Unit: documents. */
export const preparedMax = 1024

/** How long one such request may take. Unit: ms. A peer that is silent for so long gets no agents. */
export const prepareTimeoutMs = 10_000

/**
 * Entries of one message to a replica. Unit: bytes. Larger batches raise throughput and the time
 * that others wait behind them.
 */
export const batchBytesMax = 524_288

/** Documents of one message to a replica. Unit: documents. */
export const batchDocumentsMax = 1024

/** Entries of one document in one message. Unit: entries. */
export const batchEntriesMax = 2048

/** Messages to one replica that may be under way at once; while they are, batches grow. */
export const batchesInFlightMax = 2

/** First and longest wait before something is tried again. Unit: ms; half of it is random. */
export const retryMs: { readonly first: number; readonly longest: number } = {
  first: 200,
  longest: 2000
}

/**
 * Updates of one document that are not on two replicas yet. Unit: entries. More are refused with
 * `OverloadedError`: a caller that does not wait must not fill the memory of its owner.
 */
export const unacknowledgedMax = 1024

/**
 * Updates of one document above its floors, acknowledged ones included. Unit: entries. They pile up
 * while a replica is away, until it returns or a view removes it. A base with as many holes is the
 * most that the CRDTs take.
 */
export const entriesMax = 16_384

/** The same in bytes. */
export const entriesBytesMax = 33_554_432

/** The same for all documents that this peer owns. Unit: bytes. */
export const entriesBytesMaxTotal = 268_435_456

/** Delta and result of one update. Unit: bytes. */
export const updateBytesMax = 262_144

/** One document as it is stored and sent. Unit: bytes. */
export const documentBytesMax = 67_108_864

/** Documents that one peer holds. Unit: documents, each of some KiB of memory. */
export const documentsMax = 1_000_000

/** Items that wait for one replica of one document; more, and it gets the full state instead. */
export const queueMax = 4096

/** Full states of one message. Unit: bytes; more of them, or larger ones, are pulled as a stream. */
export const stateBytesMax = 786_432

/** Full states that are sent unasked. Unit: bytes; of more a replica is told the digests first. */
export const offerBytes = 65_536

/** One item of a stream of copies: several documents, or a piece of a large one. Unit: bytes. */
export const chunkBytes = 262_144

/** Documents of one page of an index. Unit: documents. */
export const indexPageMax = 4096

/** The same in bytes, for long ids. */
export const indexBytesMax = 524_288

/** Members that are asked for a hand-over at once. */
export const collectConcurrency = 16

/**
 * Confirmed entries after which they are folded into the base. Unit: entries. A fold writes the
 * whole base, so that large documents wait for more: one entry for each `foldBytesPerEntry`.
 */
export const foldEntries = 32

/** Base bytes that one folded entry may cost. Unit: bytes. */
export const foldBytesPerEntry = 1024

/** A document that is quiet for so long is folded, however few its entries. Unit: ms. */
export const foldIdleMs = 1000

/**
 * Names of owners that a document keeps before those that are done with are taken out. Unit: names,
 * one for each start and each take-over of an owner. Fewer means smaller documents and more writing.
 */
export const collectNames = 16

/**
 * Sessions of clients that a document remembers. Unit: sessions, of some 100 bytes on disk. More, and a
 * quarter is forgotten: of them repetitions are refused, and whoever is new there asks once more.
 */
export const sessionsMax = 4096

/** Between two comparisons with the same owner. Unit: ms, half of it random. */
export const compareMs = 3000

/**
 * A document that did not change for so long is kept as bytes only. Unit: ms. Decoded it takes some
 * ten times as much memory; decoding it again takes about 0.1 ms for 10 KiB.
 */
export const restMs = 10_000

/** Documents of one bucket of a comparison. Unit: documents. Fewer: more digests, shorter lists. */
export const bucketDocuments = 4

/** Buckets of a comparison. Unit: digests of 8 bytes, of which one message has room for so many. */
export const bucketsMax = 1024

/** Documents that are listed by one message, unless one bucket has more. Unit: documents. */
export const listedMax = 512

/** Differences that are remembered until the next comparison; one that is not costs a copy more. */
export const sentMax = 4096

/**
 * A document that changed so recently mostly differs by what is under way: its copies are asked for
 * less and less often. Unit: ms.
 */
export const quietMs = 1000

/** Between two looks at whether a view can be settled. Unit: ms. */
export const settleMs = 100

/**
 * How long settling waits for the replicas beyond W. Unit: ms. All of them is safer; a dead one
 * must not hold the view open.
 */
export const settleGraceMs = 2000

/** Length of an agent's id or shard key. Unit: UTF-16 code units. */
export const idLengthMax = 512

/**
 * An edge peer sends its updates to all replicas itself. After so long without one, the member that
 * keeps the copies complete sends the others what they may lack. Unit: ms. Default 5000: an update a
 * second costs nothing more.
 */
export const keepQuietMs = 5000
