/**
 * Every bound and time of this package. Units are in the names.
 */

/** First ceiling of the back-off between dials of one peer, in ms. Small, so that a restarted peer is met within a second. */
export const BACKOFF_BASE_MS = 100

/** Highest ceiling of the back-off, in ms. Higher saves dials to dead peers and meets them later. */
export const BACKOFF_MAX_MS = 10_000

/** How long the peer with the higher id waits for the other's dial after a loss, in ms; jittered to 1–1.5 times. */
export const GRACE_MS = 3_000

/** The same for a peer that was not met yet or that only this side could reach, in ms. Shorter, because a restarted peer is known to be up by nobody but itself. */
export const FIRST_GRACE_MS = 500

/** Two connections to one peer are left alone for so long, in ms, so that users of streams can move. */
export const SETTLE_MS = 1_500

/** A connection that lived shorter counts as a failed dial, in ms: a peer that closes at once is not dialled in a tight loop. */
export const STABLE_MS = 1_000

/** Dials of the keeper in flight at once, at first. Each costs a handshake (about 12 ms of CPU on both sides). */
export const PARALLEL_DIALS_START = 4

/** Dials of the keeper in flight at once, after as many successful ones. */
export const PARALLEL_DIALS_MAX = 32

/** A handshake that fails after this time, in ms, was too slow: there were too many at once. */
export const SLOW_HANDSHAKE_MS = 1_000

/** One dial, all addresses of the peer together, in ms. Long enough for handshakes on a busy machine. */
export const DIAL_TIMEOUT_MS = 20_000

/** Deadline of `connect()` where the caller gives none, in ms. */
export const CONNECT_TIMEOUT_MS = 10_000

/** Deadline of `probe()`, in ms: failure detection waits for it. */
export const PROBE_TIMEOUT_MS = 1_000

/** Dials of one probe, unless it is refused or connected before. */
export const PROBE_DIALS_MAX = 5

/** Pause before the second dial of a probe, in ms; each further one is twice as long. */
export const PROBE_PAUSE_MS = 25

/** How often open connections are checked for a dead muxer, in ms. The check is local and sends nothing. */
export const SWEEP_MS = 1_000

/** Round trip that proves a connection alive before its duplicate is closed, in ms. */
export const VERIFY_TIMEOUT_MS = 2_000

/** Time for a duplicate connection to finish what is in flight on it, in ms; then it is aborted. */
export const CLOSE_TIMEOUT_MS = 5_000

/** Peers remembered from hints. The one not found for the longest time is forgotten. */
export const FOUND_PEERS_MAX = 10_000

/** Peers given to `keep()`. */
export const KEPT_PEERS_MAX = 4_096

/** Addresses used of one peer; also of what `keep()` names. */
export const ADDRESSES_MAX = 16

/** Length of one address text; longer ones are ignored. */
export const ADDRESS_LENGTH_MAX = 512

/** Found peers are dialled on their own account only while fewer peers than this are connected. */
export const FOUND_CONNECTIONS_MAX = 64

/** A kept peer that waits in back-off is dialled at most this often on behalf of fresh hints, in ms. */
export const HINT_DIAL_INTERVAL_MS = 1_000

/** How long one peer may take to answer a question put to all, in ms. */
export const ASK_TIMEOUT_MS = 1_000

/** Peers asked at once. */
export const ASK_PARALLEL_MAX = 64

/** Answers remembered per peer, so that an unchanged offer is not sent again. */
export const OFFER_CACHE_MAX = 1_024

/** Actions that one peer may offer. */
export const OFFERED_ACTIONS_MAX = 1_024

/** Labels of one peer. */
export const LABELS_MAX = 64

/** Bytes of one peer's offer, encoded. */
export const OFFER_BYTES_MAX: number = 512 * 1_024

/** Length of a name, version, label or peer id. */
export const TEXT_MAX = 256

/** Length of the description of an action. */
export const DESCRIPTION_MAX = 4_096

/** Bootstrap: how often an unconnected peer looks again whether it became connected, in ms. */
export const BOOTSTRAP_CHECK_MS = 1_000

/** Bootstrap: how often the list is dialled again while connected, in ms, to heal two halves that started apart. */
export const BOOTSTRAP_REFRESH_MS = 60_000

/** Bootstrap: addresses in the list. */
export const BOOTSTRAP_ADDRESSES_MAX = 64

/** mDNS: time between queries, in ms. */
export const MDNS_INTERVAL_MS = 10_000

/** mDNS: the name under which peers of this library find each other. */
export const MDNS_SERVICE_TAG = '_murmuration._udp.local'
