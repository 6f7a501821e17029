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

/**
 * Time for calls that are in flight on a duplicate connection to be answered, in ms; twice the default
 * deadline of a call. What takes longer, such as a stream without an end, is cut and begun anew.
 */
export const LEAVE_TIMEOUT_MS = 10_000

/** Time for a duplicate connection to close its streams, in ms; then it is aborted. */
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

/** Lists: how often a peer looks whether it has lost its last connection, in ms. */
export const LIST_CHECK_MS = 1_000

/** Lists: how often one is read and dialled again while connected, in ms, to heal two halves that started apart. */
export const LIST_REFRESH_MS = 60_000

/** Lists: addresses used of one that comes from outside (file, DNS); each costs a dial. */
export const LISTED_ADDRESSES_MAX = 256

/** Lists: how long it is believed who answered at an address without a PeerId, in ms; then it is dialled again even if that peer is connected, because another one may be there now. */
export const ANSWERED_TTL_MS = 600_000

/** Bootstrap: addresses in the list. */
export const BOOTSTRAP_ADDRESSES_MAX = 64

/** mDNS: time between queries, in ms. */
export const MDNS_INTERVAL_MS = 10_000

/** mDNS: the name under which peers of this library find each other. */
export const MDNS_SERVICE_TAG = '_murmuration._udp.local'

/** File: bytes that are read of it. */
export const FILE_BYTES_MAX = 65_536

/** File: how often it is read although nothing was seen to change, in ms; network file systems tell of nothing. */
export const FILE_REFRESH_MS = 10_000

/** File: quiet time after a change before it is read, in ms: one write is several events. */
export const FILE_SETTLE_MS = 100

/** DNS: how often names are looked up again while connected, in ms. Kubernetes answers with a ttl of 30 s. */
export const DNS_REFRESH_MS = 30_000

/** DNS: time for one attempt at one server, in ms; there are two. */
export const DNS_TIMEOUT_MS = 2_000

/** DNS: questions of one round, those that follow from answers included. */
export const DNS_LOOKUPS_MAX = 512

/** DNS: names that a `dnsaddr` record may lead to, one after the other. */
export const DNSADDR_DEPTH_MAX = 4

/** Kademlia: longest time between walks, in ms; each walk that finds nobody new doubles it up to here. */
export const KADEMLIA_INTERVAL_MS = 60_000

/** Kademlia: time between walks while they still find somebody, in ms. */
export const KADEMLIA_EAGER_MS = 1_000

/** Kademlia: longest time for one walk, in ms. */
export const KADEMLIA_WALK_MS = 10_000

/** Kademlia: peers taken from one walk. A rogue peer can fill answers with names. */
export const KADEMLIA_FOUND_MAX = 256

/** Kademlia: records that a node stores for others, and of those the ones of one provider. */
export const KADEMLIA_RECORDS_MAX = 16_384
export const KADEMLIA_PROVIDED_MAX = 256

/** Peers of peers: time between questions, in ms; each goes to one connected peer. */
export const PEERS_INTERVAL_MS = 30_000

/** Peers of peers: records in one answer, and bytes of one record and of one proof of membership. */
export const PEERS_RECORDS_MAX = 32
export const PEER_RECORD_BYTES_MAX = 4_096
export const PEER_PROOF_BYTES_MAX = 2_048
export const PEER_PROOFS_MAX = 2

/** Peers of peers: peers whose newest sequence number is remembered, so that no old address comes back. */
export const PEER_SEQUENCES_MAX = 4_096

/** Offers: time in which changes of one peer's offer are gathered before they are told or asked for, in ms. */
export const OFFER_SETTLE_MS = 250

/** Selection: how long a report of load is used, in ms; then the peer is asked again, which costs one call. */
export const LOAD_FRESH_MS = 1_000

/** Selection: latencies well below this, in ms, do not matter beside the work itself. */
export const LATENCY_BASE_MS = 5

/** Selection: load that one pick stands for until the next report of that peer. */
export const PICK_LOAD = 0.02

/** Selection: the highest load that can be told. */
export const LOAD_MAX = 1_000

/** Selection: once one of two peers has told its load, the other has this time, in ms. Who is later by so much is seldom the better choice; a longer time is lost once a second to a frozen peer. */
export const SELECT_PATIENCE_MS = 50

/** Selection: pairs of silent peers that are tried before it fails. */
export const SELECT_ROUNDS_MAX = 4
