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

/** How often the watchdog looks for connected peers without a gossip stream. Unit: milliseconds. */
export const watchdogIntervalMs = 1000

/**
 * How long such a peer is left alone, since opening a stream takes a moment. Unit: milliseconds.
 */
export const silentMsMax = 3000

/** Shortest time between two reconnections of one peer; it doubles each time. Unit: milliseconds. */
export const reconnectPauseMs = 10_000

/** Longest such time. Unit: milliseconds. */
export const reconnectPauseMsMax = 120_000

/** How long one reconnection may take. Unit: milliseconds. */
export const reconnectTimeoutMs = 10_000

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

/** Pause between closing the connections to a peer and dialling it anew. Unit: milliseconds. */
export const reconnectSettleMs = 250

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
