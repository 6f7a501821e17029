/**
 * Milliseconds for the whole admission of one connection, inner handshake included. Higher keeps the
 * slots of silent strangers occupied for longer; lower refuses members on slow links. Range: 500 to
 * 30000; libp2p itself gives up after 10000 (inbound) and 6000 (outbound).
 */
export const timeoutMsDefault = 5_000

/**
 * Peers that can be admitted at one time. One entry holds a certificate (about 1 KiB) and ends with
 * the peer's last connection. When it is full, further peers are refused.
 */
export const admittedMaxDefault = 16_384

/** Bytes of one admission frame: two certificates, each with its delegate, fit with room. */
export const frameBytesMax = 8_192

/**
 * Bytes that are kept of what a peer sends while its last frame is being checked. A member may send
 * at once after it, so this must hold a burst; a stranger can occupy that much until the deadline.
 */
export const readBufferBytesMax = 1_048_576

/** One word of the negotiation of a protocol. Unit: bytes. libp2p takes no longer ones. */
export const negotiationBytesMax = 1024

/**
 * Words until a protocol is agreed on. A peer says one to begin with and then the two that it knows;
 * higher lets plain libp2p nodes try more in vain, at some 50 µs each.
 */
export const negotiationFramesMax = 16

/** Certificates that are shown at once: one per root key of a rotation. */
export const certificatesMax = 2

/** Bytes of one certificate, the delegate's included. */
export const certificateBytesMax = 2_048

/** Root keys that are accepted at one time: the current one and the next. */
export const rootsMax = 2

/**
 * Milliseconds that a refused connection stays open so that the other side can read why. Closing at
 * once would throw the reason away with the unsent bytes.
 */
export const refusalLingerMs = 250

/** UTF-8 bytes of a cluster name. */
export const clusterBytesMax = 128

/** Characters of a certificate's serial. */
export const serialMax = 64

/** UTF-8 bytes that a cluster secret has at least; it can be guessed offline (see README). */
export const secretBytesMin = 16

/** UTF-8 bytes that a cluster secret has at most. */
export const secretBytesMax = 1_024

/**
 * Cost of turning a secret into keys: scrypt with N = 2^15, r = 8, p = 1 uses 32 MiB and about 0.1 s
 * once per cluster, secret and process. Part of the format: another cost gives other keys.
 */
export const scryptCost: { readonly N: number; readonly r: number; readonly p: number } = {
  N: 32_768,
  r: 8,
  p: 1
}

/** Derived secrets that are kept in memory, so that many nodes of one process pay once. */
export const derivedSecretsMax = 16

/**
 * Milliseconds for which a self-issued certificate holds (30 days); it is issued again at half of
 * that. Shorter gains nothing in secret mode: who has the secret can issue it again.
 */
export const selfIssuedTtlMs = 2_592_000_000

/** Milliseconds by which a self-issued certificate begins in the past, for clocks that differ. */
export const clockSkewMs = 300_000

/** Revoked peers that are remembered, about 100 bytes each. More are refused, never forgotten. */
export const revokedMax = 10_000

/** Bytes of one sealed envelope as a whole, when opening and sealing. */
export const envelopeBytesMaxDefault = 1_048_576

/** Characters of an envelope's domain and payload type. */
export const envelopeTextMax = 128

/**
 * Verified envelopes that are remembered by hash, about 150 bytes each, so that copies of a message
 * cost one hash and no verification (16 instead of 190 µs to open one).
 */
export const verifiedCacheMaxDefault = 4_096

/** Public keys whose prepared form is kept (about 1 KiB each). */
export const keyCacheMax = 1_024

/**
 * Envelopes of one batch that are verified at the same time. The thread pool of Node has 4 threads;
 * more only wait inside it.
 */
export const verifyParallel = 16

/** Bytes of a key file that are read at most; ours has 68. */
export const keyFileBytesMax = 4_096

/**
 * Bytes that are gathered of one turn before they are encrypted and sent. Larger pieces save nothing
 * more, and hold back what could be on its way.
 */
export const gatherBytesMax = 65_536

/** Milliseconds for which an issued certificate holds, where nobody says otherwise (24 hours). */
export const issuedTtlMs = 86_400_000

/** Shortest and longest lifetime of an issued certificate, in milliseconds. */
export const issuedTtlMsMin = 1_000
export const issuedTtlMsMax = 31_536_000_000

/** Milliseconds for which an invitation can be used, where nobody says otherwise (24 hours). */
export const invitationTtlMs = 86_400_000

/** Bytes of an invitation, and addresses in it. */
export const invitationBytesMax = 4_096
export const invitationAddressesMax = 8

/** Used invitations that are remembered until they expire. More are refused until some have. */
export const invitationsUsedMax = 10_000

/** Share of a certificate's life after which it is renewed: there is as much time again for trying. */
export const renewAtShare = 0.5

/**
 * A new certificate is shown a second time after this share of its life, at most so many milliseconds
 * later: longer than an admission takes, and well before the old one expires.
 */
export const showAgainShare = 0.1
export const showAgainMsMax = 10_000

/** Times that a peer is shown new certificates until it has taken them. */
export const showAttemptsMax = 3

/** Milliseconds before a renewal that failed is tried again, at first and at most; jittered. */
export const renewRetryMsMin = 250
export const renewRetryMsMax = 60_000

/** Milliseconds for one question to another peer about certificates. */
export const certificateCallMs = 3_000

/** Shortest and longest time between two looks for expired certificates, in milliseconds. */
export const sweepMsMin = 250
export const sweepMsMax = 60_000

/** Sequence numbers whose content is remembered, to notice a second content; about 150 bytes each. */
export const equivocationsWatched = 16_384

/**
 * Bytes of the signed messages that are kept with them, in all: without the first message the second
 * one proves nothing. More notices lies that lie further apart.
 */
export const equivocationBytesMax = 8_388_608
