/**
 * Every bound of this package: what it is for, its unit, and what a larger value costs. All can be
 * set through `RpcInit`; the ones that both ends must agree on are marked.
 */
export const defaults = {
  /** Cluster name in the protocol id. Peers of other names do not speak to each other. */
  cluster: 'default',

  /** Milliseconds a call waits when the caller does not say. Larger hides dead peers for longer. */
  timeoutMs: 5_000,

  /**
   * Milliseconds that opening a stream, a dial included, may take. Calls give up earlier by their
   * own deadline; the attempt goes on for the calls after them.
   */
  openTimeoutMs: 10_000,

  /**
   * Bytes of one request, reply or stream item. The sender refuses larger ones, the receiver resets
   * the stream of a peer that sends them. Memory per stream grows with it.
   */
  messageBytesMax: 1_048_576,

  /**
   * Bytes of frames that wait for one peer to read. More requests fail with `OverloadedError` at
   * once, and requests from a peer that reads its answers too slowly are refused. Larger absorbs
   * longer bursts, at that much memory per slow peer.
   */
  outgoingBytesMax: 8_388_608,

  /**
   * Bytes of replies that may wait for one peer to read. Handlers that are under way can push the
   * queue over `outgoingBytesMax`; above this bound a reply is replaced by an error. At twice this
   * bound the stream is reset.
   */
  replyBytesMax: 33_554_432,

  /** Calls to one peer that may be under way at once; more fail with `OverloadedError` at once. */
  callsPerPeerMax: 4_096,

  /** Requests of one peer that may run here at once; more are answered `OverloadedError`. */
  requestsPerPeerMax: 4_096,

  /** Requests of one method that may run here at once, unless `handle` says otherwise. */
  concurrencyMax: 1_024,

  /** Items of one streaming reply that may be under way or unread at the consumer. */
  windowItems: 64,

  /** Bytes of one streaming reply that may be under way or unread, give or take one item. */
  windowBytes: 262_144,

  /**
   * Milliseconds for which a peer that could not be reached is not tried again; doubles with each
   * failure up to `backoffMsMax`. A new connection to the peer ends it at once.
   */
  backoffMs: 100,

  /** Milliseconds, the longest pause between attempts. Larger notices a returned peer later. */
  backoffMsMax: 2_000,

  /** Milliseconds that a stream may take to close before it is reset. */
  closeTimeoutMs: 500
} as const

/** Bounds that are no options, because nobody gains from another value. */
export const fixed = {
  /** The only version of the frames that this code speaks. Sent in the hello frame. */
  protocolVersion: 1,

  /** UTF-8 bytes of a method name. */
  methodNameBytesMax: 256,

  /**
   * Method names that are known by number on one stream. A caller that needs more starts again at
   * number zero, so this bounds memory and not the number of methods.
   */
  methodNamesMax: 1_024,

  /** Characters of an error message that cross the wire; the rest is cut off. */
  errorMessageMax: 2_048,

  /** Characters of an error name, an error code or a PeerId that cross the wire. */
  errorWordMax: 128,

  /** Bytes that a frame may have besides its payload: the longest error frame fits. */
  frameOverheadMax: 16_384,

  /** Streams of the protocol per connection and direction. One is used; more overlap on reopening. */
  streamsPerConnectionMax: 16,

  /** Connections that one attempt to open a stream tries before it gives up. */
  openAttemptsMax: 3,

  /** Milliseconds between two looks whether calls are left on a connection that is about to close. */
  leavePollMs: 10,

  /** Milliseconds before the next such attempt, if the connection was just being closed. */
  openRetryMs: 20,

  /** Peers whose last failure to be reached is remembered. */
  failuresRememberedMax: 1_024,

  /**
   * Milliseconds by which a deadline may fire late. Deadlines that fall into the same slice of this
   * width share one timer.
   */
  deadlineSliceMs: 5,

  /** Milliseconds; a longer time-out counts as none, it would not fit a timer. */
  timeoutMsMax: 2_147_483_647,

  /**
   * Milliseconds of work per turn of the event loop; what does not fit waits for the next one. Larger
   * reads what arrives less often, smaller spends more time between turns.
   */
  sliceMs: 10,

  /** Requests begun in one turn, at first; the number then follows the length of turns. */
  startsStart: 64,

  /** Requests begun in one turn, where they cost next to nothing. */
  startsMax: 4_096,

  /** Bytes of one buffer into which frames are gathered; a batch larger than that takes several. */
  slabBytes: 32_768
} as const
