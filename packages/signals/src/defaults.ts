/**
 * Topics of one cluster. Unit: topics. Each is a mesh of its own to keep alive; more of them spread
 * unrelated signals better, fewer cost less. Equal on all peers: it is part of the protocol.
 */
export const topicCount = 16

/**
 * One gossip message or targeted delivery, envelope included. Unit: bytes. Every peer verifies and
 * holds whole messages, so this bounds what one author can make others hold at a time.
 */
export const messageBytesMax = 262_144

/**
 * Room that is kept in a message for the envelope: key, signature, sequence and time. Unit: bytes.
 */
export const envelopeBytesMax = 2048

/** One encoded signal. Unit: bytes. Two of them always fit into one message. */
export const signalBytesMax = 126_976

/** Signals in one batch. Unit: signals. Bounds the work that one verified message starts. */
export const batchSignalsMax = 1024

/**
 * Time between two batches of an author on one topic, once it has sent {@link paceBurst} of them faster.
 * Unit: milliseconds. What it publishes meanwhile shares the next one, also before where that is full.
 * Higher spares everybody else more of a loud author, whose own signals then wait up to as long.
 */
export const paceMs = 10

/** Batches that may follow each other faster. An author of less than one per {@link paceMs} never waits. */
export const paceBurst = 10

/** After how many batches a wait is tried again, at most, where nothing came in the last ones. */
export const paceVainMax = 255

/**
 * Peers that a batch names as reached by its author. Unit: peers. Saves one copy per link of the mesh
 * for 9 bytes per peer; where more listen, every peer sends on as gossip does.
 */
export const handedMax = 32

/**
 * From this size on a peer tells its neighbours that it has a message before it has checked it. Unit:
 * bytes. Each such word costs as much as sending a small message on.
 */
export const tellBytesMin = 16_384

/** Levels of lists and objects in `data`. Unit: levels. */
export const dataDepthMax = 28

/** Values in one signal, names included. Unit: values. Keeps the decoding of one signal short. */
export const signalItemsMax = 16_384

/** Length of a type or pattern. Unit: UTF-16 code units. */
export const typeLengthMax = 256

/** Segments of a type or pattern. Unit: segments. Bounds the walk through the trie. */
export const typeSegmentsMax = 16

/** Length of any other text attribute. Unit: UTF-16 code units. */
export const attributeLengthMax = 2048

/** Extension attributes of one signal. Unit: attributes. */
export const extensionsMax = 64

/** Subscriptions of one bus. Unit: subscriptions. */
export const subscriptionsMax = 65_536

/**
 * Signals that wait for a slow handler. Unit: signals. Larger rides out longer stalls, smaller
 * bounds memory and the age of what is handled.
 */
export const queueMaxDefault = 1024

/** Publishers that may wait for room in one queue with overflow `block`. Unit: signals. */
export const blockedMax = 1024

/** How long a publication waits for its recipients. Unit: milliseconds. */
export const publishTimeoutMsDefault = 5000

/** Largest deadline that a publication may ask for. Unit: milliseconds. */
export const publishTimeoutMsMax = 600_000

/** Signals that wait to be sent on one topic or to one peer. Unit: bytes. More is `OverloadedError`. */
export const outboxBytesMax = 4_194_304

/** The same limit by number, for very small signals. Unit: signals. */
export const outboxSignalsMax = 16_384

/** Peers of one targeted publication. Unit: peers. */
export const targetsMax = 256

/** Peers with an outbox of their own. Unit: peers; idle ones are forgotten first. */
export const outboxesMax = 4096

/**
 * How long a gossip message that reached nobody, though peers are known to listen, is tried again.
 * Unit: milliseconds. The stream to a peer that has just connected needs up to 160 ms (measured).
 */
export const handOverMs = 1000

/** Pause before the first of those tries; it doubles up to {@link handOverPauseMsMax}. */
export const handOverPauseMs = 25

/** Longest pause between two of those tries. Unit: milliseconds. */
export const handOverPauseMsMax = 200

/**
 * How long a sent batch is kept for peers that subscribe just afterwards: news of a subscription
 * travels, so that the first publication after it would often be lost (seen in 8 of 8 runs).
 * Unit: milliseconds. A new subscription may get signals that are older than itself by this much.
 */
export const lingerMs = 1000

/** Batches kept per topic for that. Unit: batches. */
export const lingerBatchesMax = 64

/** Bytes kept per topic for that. Unit: bytes. */
export const lingerBytesMax = 1_048_576

/** How often one batch is sent again to late subscribers. Unit: times. */
export const resendsMax = 4

/**
 * How old a gossip message may be, and how far ahead its clock. Unit: milliseconds. Bounds what a
 * replay can reach after a restart of the receiver; must exceed clock skew plus delivery time.
 */
export const ageMsMax = 120_000

/**
 * How long later batches of a publisher wait for a missing earlier one, so that order holds.
 * Unit: milliseconds. Larger repairs more reordering, smaller delays less after a loss.
 */
export const holdMs = 250

/** Batches of one publisher and topic that wait so. Unit: batches. */
export const holdBatchesMax = 64

/** Separate gaps remembered per publisher and topic; the oldest counts as lost. Unit: gaps. */
export const gapsMax = 256

/** How far back a first contact may still deliver earlier signals. Unit: signals. */
export const firstContactWindow = 4096

/** Publishers times topics that are remembered to refuse replays. Unit: streams; LRU. */
export const streamsMax = 8192

/** Gossip messages that wait to be verified. Unit: messages. More are ignored and counted. */
export const inboundMax = 1024

/** The same per neighbour, so that one flooding peer leaves room for the others. Unit: messages. */
export const inboundPerPeerMax = 256

/**
 * How often it is looked for connected peers without a gossip stream. Unit: milliseconds. Until one is
 * opened again, what listens there is called.
 */
export const reopenIntervalMs = 500

/** A connection that is younger has none yet, because gossip is opening it. Unit: milliseconds. */
export const reopenGraceMs = 1000

/** After how long opening such a stream is asked for again. Unit: milliseconds. */
export const reopenPauseMs = 5000

/**
 * How long a topic is kept after its last subscription closed. Unit: milliseconds. Gossip refuses
 * to take a peer back into a mesh for 10 s after it left, so leaving at once would cost signals.
 */
export const leaveDelayMs = 10_000

/** Name of the RPC method of targeted signals. */
export const deliverMethod = 'signals.deliver'

/** Cluster name where none is given. */
export const clusterDefault = 'default'

/** Name of a cluster. Unit: bytes of UTF-8. */
export const clusterBytesMax = 128

/** Patterns in `routes`. Unit: patterns. */
export const routesMax = 256

/**
 * How long a publisher waits for a neighbour whose connection is full and does not move. Unit:
 * milliseconds. Once per neighbour: it is not waited for again until it has moved. Higher tells a
 * busy neighbour better from a frozen one, whose 8 MiB of buffer then fill up and are lost.
 */
export const backpressureMs = 1000

/** How long a publisher waits for one that does move. Unit: milliseconds. */
export const backpressureMsMax = 10_000

/**
 * What may wait in the stream to a neighbour when the next message is sent. Unit: bytes. Of the
 * 8 MiB above which the stream is aborted, the rest is for messages that are sent on for others.
 */
export const roomBytes = 524_288

/** Logs that must have a signal before it is accepted at least once; fewer where fewer peers are. */
export const copiesDefault = 2

/** Largest number of such logs that can be asked for. Unit: logs. */
export const copiesMax = 8

/**
 * Size of the log of one peer. Unit: bytes. Larger keeps more for peers that were away and for
 * replay; all of it is read once at the start.
 */
export const logBytesMaxDefault = 67_108_864

/** The same where the log is kept in memory only. */
export const logMemoryBytesMax = 8_388_608

/** How long the log keeps a signal. Unit: milliseconds. */
export const logAgeMsDefault = 3_600_000

/** Entries of the log. Unit: entries. Each takes about 200 bytes of memory besides the store. */
export const logEntriesMax = 65_536

/**
 * Each process start numbers its entries from the time on, times this. Unit: entries per millisecond.
 * Higher than any log is fast, so that the next start stands above them, also where the disk was lost;
 * numbers then last until the year 2100.
 */
export const entriesPerMs = 1024

/** Above this a start goes on from the newest entry, whatever the clock says. */
export const entryNumberMax = 2 ** 52

/** Opened entries that are kept in memory. Unit: entries, of at most 256 KiB each. */
export const openBatchesMax = 64

/** Types with subject of which the newest signal is kept. Unit: signals; the oldest goes first. */
export const snapshotsMax = 16_384

/** Separate ranges of sequences in one message or record. Unit: ranges. */
export const rangesMax = 4096

/** Bytes of one answer to a request for missing batches, unless one batch alone is larger. */
export const pullBytesMax = 524_288

/**
 * How long later batches wait for one that is being asked for from others. Unit: milliseconds.
 * Anew with each part of it that comes.
 */
export const repairMs = 2000

/** Deadline of one question to another peer. Unit: milliseconds. */
export const askTimeoutMs = 2000

/** Peers that are asked for what is missing to listeners of the moment. Unit: peers. */
export const repairPeersMax = 3

/** Pause after a round in which nobody had what is missing, but not all could be asked. Unit: ms. */
export const repairPauseMs = 200

/** Longest such pause; it doubles each time. Unit: milliseconds. */
export const repairPauseMsMax = 5000

/** What the last batch of a stream may need longer than the news of it. Unit: milliseconds. */
export const tailGraceMs = 250

/** How often a peer compares with another one, by chance. Unit: milliseconds. */
export const exchangeMs = 2000

/**
 * The same after signals that are not sent on, of which everybody should have a copy from the author:
 * somebody whom the author does not reach has them within about this times the number of listeners,
 * divided by the number of those who have them. Unit: milliseconds. Each costs one short call.
 */
export const keptExchangeMs = 250

/**
 * How long an author must have been out of the view until its open gaps are given up. Unit:
 * milliseconds. Longer than the splits that are to be survived without a loss.
 */
export const retiredMs = 600_000

/** Durable subscriptions that one peer knows, its own and those of others. Unit: subscriptions. */
export const registrationsMax = 4096

/** How long the members may take to note a durable subscription. Unit: milliseconds. */
export const registerTimeoutMsDefault = 10_000

/** Attempts to handle a signal before it is a dead letter. */
export const attemptsMaxDefault = 8

/** Pause before the second attempt. Unit: milliseconds. It doubles up to {@link retryPauseMsMax}. */
export const retryPauseMs = 100

/** Longest pause between two attempts. Unit: milliseconds. */
export const retryPauseMsMax = 10_000

/** How long one attempt may take. Unit: milliseconds. */
export const handlerTimeoutMsDefault = 30_000

/** How long a durable subscription remembers the ids that it has handled. Unit: milliseconds. */
export const idWindowMs = 600_000

/** How many of them at most. Unit: ids. */
export const idsMax = 65_536

/** How far a group reads ahead of the oldest signal that nobody has handled. Unit: signals. */
export const groupWindow = 4096

/** Dead letters that one peer keeps. Unit: signals; the oldest goes first, as a loss. */
export const deadLettersMax = 10_000

/** What of an error stands in a dead letter. Unit: UTF-16 code units. Enough to tell it by. */
export const reasonLengthMax = 1000

/** Messages per second that a neighbour may send; twice as many in a burst. */
export const budgetMessagesPerSecond = 4000

/** Bytes per second that a neighbour may send; twice as many in a burst. */
export const budgetBytesPerSecond = 67_108_864

/** Signals in the answer to a causality query, and the length of a chain of causes. */
export const causalityMax = 1024

/** Names of the RPC methods of logs and durable subscriptions. */
export const pushMethod = 'signals.push'
export const pullMethod = 'signals.pull'
export const exchangeMethod = 'signals.exchange'
export const registerMethod = 'signals.register'
export const progressMethod = 'signals.progress'

/**
 * So far ahead, by the clock of its author, a stream is marked as maybe seen, so that its signals need
 * not wait for the disk. Unit: milliseconds. A process that was killed and is back sooner takes nothing
 * that was sent within this after the last it had seen; signals that are further apart than half of it
 * wait for the disk, each.
 */
export const marksAheadMs = 500

/** How often the marks that refuse replays are synced. Unit: milliseconds. */
export const marksSyncMs = 1000

/** Rounds of questions without an answer before listeners of the moment go on. */
export const repairRoundsMax = 4

/** Peers that have just appeared and wait to be compared with. Unit: peers. */
export const exchangesMax = 256

/** How often it is looked whether the consumers of a group have changed. Unit: milliseconds. */
export const groupCheckMs = 500

/**
 * How long a peer that joins a group leaves its share alone. Unit: milliseconds. Others finish what
 * they have begun of it in that time; a handler that takes longer may meet its double.
 */
export const groupSettleMs = 1000

/** Batches for a peer that is away, which are tried again without being asked for. Unit: batches. */
export const unconfirmedMax = 64

/**
 * How long a member may take to log a copy before another one is asked as well. Unit: milliseconds.
 * Lower is faster past one that is down, higher saves copies where disks are slow.
 */
export const hedgeMs = 150

/** How long it is remembered that a durable subscription was removed. Unit: milliseconds. */
export const removedMs = 604_800_000

/** Batches that came by another way than gossip, remembered so that gossip's copy is no replay. */
export const repairedMax = 4096

/** Types that are remembered as well formed, and with who listens to them. Unit: types. */
export const knownTypesMax = 1024

/** First segments of types whose topic is remembered. */
export const topicNumbersMax = 1024

export * from './telling-defaults.ts'
