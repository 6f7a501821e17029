import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { bytes, list, message, object } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import type { DiscoveryStrategy, FoundPeer } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import type { StrategyComponents, StrategyFactory } from '../components.ts'
import {
  ADDRESSES_MAX,
  ASK_TIMEOUT_MS,
  BACKOFF_MAX_MS,
  LIST_CHECK_MS,
  PEER_PROOF_BYTES_MAX,
  PEER_PROOFS_MAX,
  PEER_RECORD_BYTES_MAX,
  PEER_SEQUENCES_MAX,
  PEERS_INTERVAL_MS,
  PEERS_RECORDS_MAX
} from '../defaults.ts'
import { number } from '../settings.ts'

/** The RPC method by which peers ask each other whom they know. */
const PEERS_METHOD = 'discovery.peers'

const Question = message({})
const Answer = message(
  {
    peers: list(
      object({
        record: bytes({ max: PEER_RECORD_BYTES_MAX }),
        proofs: list(bytes({ max: PEER_PROOF_BYTES_MAX }), { max: PEER_PROOFS_MAX })
      }),
      { max: PEERS_RECORDS_MAX }
    )
  },
  { bytesMax: PEERS_RECORDS_MAX * (PEER_RECORD_BYTES_MAX + PEER_PROOFS_MAX * PEER_PROOF_BYTES_MAX) }
)
type Told = Infer<typeof Answer>['peers'][number]

/** How a peer that is only told of proves that it belongs to the cluster. */
export interface MembershipProofs {
  /** What a connected peer has shown of itself, such as its certificates. */
  of(peer: string): readonly Uint8Array[] | undefined
  /** Whether these prove that the peer may come in; never throws. */
  hold(peer: string, proofs: readonly Uint8Array[]): Promise<boolean>
}

/** Options of {@link peersOfPeers}. */
export interface PeersOfPeersInit {
  /**
   * How told peers are judged before they are remembered. Without it anything signed by its own key
   * is a hint, as from any other strategy. @default none
   */
  readonly proofs?: MembershipProofs
  /** Time between two questions, in ms; the first is asked at the first connection. @default 30000 */
  readonly intervalMs?: number
}

/**
 * Asks connected peers whom they are connected to, one at a time, and answers such questions. Told
 * are libp2p's signed peer records: addresses that a peer has signed itself, with a sequence number,
 * so that nobody can send others to a wrong address, and no old record replaces a newer one.
 *
 * CVE-2023-40583 was a node that stored every validly signed record: with `proofs`, only records of
 * peers that prove their admission count, and everything is bounded in any case.
 *
 * Throws `InvalidParametersError`.
 */
export function peersOfPeers(init: PeersOfPeersInit = {}): StrategyFactory {
  const intervalMs = number('intervalMs', init.intervalMs ?? PEERS_INTERVAL_MS, LIST_CHECK_MS)
  return (components) => new PeersOfPeers(components, init.proofs, intervalMs)
}

class PeersOfPeers implements DiscoveryStrategy {
  readonly name = 'peers-of-peers'
  readonly #components: StrategyComponents
  readonly #log: Logger
  readonly #proofs: MembershipProofs | undefined
  readonly #intervalMs: number
  /** Highest sequence number by peer, the one heard of longest ago first. */
  readonly #sequences = new Map<string, bigint>()
  #asked = 0
  #running: AbortController | undefined
  #cancel: (() => void) | undefined

  constructor(
    components: StrategyComponents,
    proofs: MembershipProofs | undefined,
    intervalMs: number
  ) {
    this.#components = components
    this.#log = components.logger.forComponent('murmuration:discovery:peers-of-peers')
    this.#proofs = proofs
    this.#intervalMs = intervalMs
  }

  start(found: (peer: FoundPeer) => void): void {
    const { signal } = (this.#running = new AbortController())
    this.#components.rpc().handle(PEERS_METHOD, async (request, { peer }) => {
      Question.decode(request)
      return await this.#answer(peer)
    })
    this.#plan(0, found, signal)
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#cancel?.()
    this.#components.rpc().unhandle(PEERS_METHOD)
  }

  #plan(delayMs: number, found: (peer: FoundPeer) => void, signal: AbortSignal): void {
    const { clock } = this.#components
    this.#cancel = clock.schedule(delayMs, () => void this.#round(found, signal))
  }

  async #round(found: (peer: FoundPeer) => void, signal: AbortSignal): Promise<void> {
    const { random } = this.#components
    const peers = this.#components.connected()
    let delayMs = LIST_CHECK_MS
    if (peers.length > 0) {
      const peer = peers[Math.floor(random.next() * peers.length)] ?? ''
      // Once a few have answered the news come slowly; until then whoever starts wants them soon.
      const isHeard = await this.#ask(peer, found, signal)
      this.#asked += isHeard ? 1 : 0
      delayMs = this.#asked < 3 ? LIST_CHECK_MS : this.#intervalMs * (0.5 + random.next())
      delayMs = isHeard ? delayMs : Math.min(delayMs, BACKOFF_MAX_MS)
    }
    if (!signal.aborted) {
      this.#plan(delayMs, found, signal)
    }
  }

  async #ask(
    peer: string,
    found: (peer: FoundPeer) => void,
    signal: AbortSignal
  ): Promise<boolean> {
    try {
      const options = { timeoutMs: ASK_TIMEOUT_MS, signal }
      const reply = await this.#components
        .rpc()
        .call(peer, PEERS_METHOD, Question.encode({}), options)
      for (const told of Answer.decode(reply).peers) {
        // One after the other: each costs two signatures, and there is no hurry.
        // oxlint-disable-next-line no-await-in-loop
        const known = await this.#judge(told)
        if (known !== undefined && !signal.aborted) {
          found(known)
        }
      }
      return true
    } catch (error) {
      this.#log('%s did not say whom it knows: %e', peer, error)
      return false
    }
  }

  /** What a record says, if it holds, is news and its peer may come in. */
  async #judge({ record, proofs }: Told): Promise<FoundPeer | undefined> {
    try {
      const envelope = await RecordEnvelope.openAndCertify(record, PeerRecord.DOMAIN)
      const { peerId, multiaddrs, seqNumber } = PeerRecord.createFromProtobuf(envelope.payload)
      const peer = peerId.toString()
      const isOwn = peerIdFromPublicKey(envelope.publicKey).equals(peerId)
      if (
        !isOwn ||
        peer === this.#components.peer ||
        seqNumber < (this.#sequences.get(peer) ?? 0n)
      ) {
        return undefined
      }
      if (this.#proofs !== undefined && !(await this.#proofs.hold(peer, proofs))) {
        return undefined
      }
      this.#remember(peer, seqNumber)
      return { peer, addresses: multiaddrs.slice(0, ADDRESSES_MAX).map(String) }
    } catch (error) {
      this.#log('a told peer record does not hold: %e', error)
      return undefined
    }
  }

  #remember(peer: string, sequence: bigint): void {
    this.#sequences.delete(peer)
    this.#sequences.set(peer, sequence)
    const oldest = this.#sequences.keys().next()
    if (this.#sequences.size > PEER_SEQUENCES_MAX && oldest.done !== true) {
      this.#sequences.delete(oldest.value)
    }
  }

  /** A random choice of the connected peers, so that a large cluster is told of in turns. */
  async #answer(asker: string): Promise<Uint8Array> {
    const { random } = this.#components
    const others = this.#components.connected().filter((peer) => peer !== asker)
    const peers: Told[] = []
    while (others.length > 0 && peers.length < PEERS_RECORDS_MAX) {
      const [peer = ''] = others.splice(Math.floor(random.next() * others.length), 1)
      // At most 32 look-ups in the peer store, in memory.
      // oxlint-disable-next-line no-await-in-loop
      const record = await this.#components.peerRecord(peer)
      const proofs = this.#proofs?.of(peer) ?? []
      if (record !== undefined && record.length <= PEER_RECORD_BYTES_MAX) {
        peers.push({ record, proofs: proofs.slice(0, PEER_PROOFS_MAX) })
      }
    }
    return Answer.encode({ peers })
  }
}
