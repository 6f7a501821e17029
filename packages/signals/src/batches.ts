import type { Clock, Signal } from '@murmuration/interface'
import { Batch, decodeSignal } from './core/wire.ts'
import type { RejectReason } from './counters.ts'
import { messageBytesMax } from './defaults.ts'
import type { OpenedEnvelope, SignalAuthors, SignalSigner } from './signer.ts'

/** A batch that is signed, for this cluster and channel, and from a peer that may publish. */
export interface OpenedBatch {
  readonly author: string
  readonly time: number
  readonly boot: number
  readonly first: number
  readonly since: number
  /** 0 unless it was sent again, in which case having it already is nothing strange. */
  readonly attempt: number
  readonly channel: string
  readonly durable: boolean
  /** Who had it from its author, by short name; undefined where that is not told. */
  readonly handed?: readonly string[] | undefined
  readonly count: number
  /** Whether any of its signals has a subject. */
  readonly subjects: boolean
  readonly signals: readonly Signal[]
  /** The signed bytes. */
  readonly original: Uint8Array
}

/** What the author of a batch knows of it. */
export type OwnFacts = Pick<OpenedBatch, 'author' | 'time' | 'subjects' | 'original'>

export interface BatchSealInit {
  readonly signer: SignalSigner
  readonly cluster: string
  readonly boot: () => number
  /** PeerIds (text) that may publish; undefined: whoever could connect. */
  readonly members: (() => readonly string[]) | undefined
  /** Who may publish, by certificate; undefined: whoever signs. */
  readonly authors: SignalAuthors | undefined
  readonly clock: Pick<Clock, 'now'>
  /** For how long logs keep batches, in milliseconds. */
  readonly logAgeMs: number
}

/** What a batch is opened as. */
export interface OpenBatchOptions {
  /** Without one any channel of this cluster will do. */
  readonly channel?: string | undefined
  /**
   * It was kept in a log: its author must have been certified when it was sent. Else that must be so
   * now.
   */
  readonly kept?: boolean
}

/** Signs and opens batches; everything that is wrong with one is a value, since it is expected. */
export class BatchSeal {
  readonly #init: BatchSealInit

  constructor(init: BatchSealInit) {
    this.#init = init
  }

  async seal(batch: Omit<Batch, 'cluster' | 'boot'>): Promise<Uint8Array> {
    const { authors, cluster, boot, signer } = this.#init
    const proof = authors === undefined ? {} : { certificates: await authors.shown() }
    const payload = Batch.encode({ ...batch, ...proof, cluster, boot: boot() })
    return await signer.seal(payload, batch.first)
  }

  /** A batch of this peer as others will open it; its signals are read only when asked for. */
  own(batch: Omit<Batch, 'cluster' | 'boot'>, facts: OwnFacts): OpenedBatch {
    const { channel, durable, first, since, attempt } = batch
    let signals: readonly Signal[] | undefined
    return {
      ...facts,
      boot: this.#init.boot(),
      channel,
      durable: durable === true,
      first,
      since,
      attempt,
      count: batch.signals.length,
      get signals() {
        signals ??= batch.signals.map(decodeSignal)
        return signals
      }
    }
  }

  /** Opens what was checked before, when it came; who was a member then may not be one now. */
  reopen(bytes: Uint8Array): Promise<OpenedBatch | RejectReason> {
    return this.#open(bytes, undefined)
  }

  /** What an author hands over itself; of others it is refused before anything is verified. */
  async openFrom(
    author: string,
    bytes: Uint8Array,
    channel: string
  ): Promise<OpenedBatch | RejectReason> {
    const claimed = this.#init.signer.claimed?.(bytes)
    if (claimed !== undefined && claimed.signer !== author) {
      return 'not-the-caller'
    }
    const batch = await this.open(bytes, { channel })
    return typeof batch !== 'string' && batch.author !== author ? 'not-the-caller' : batch
  }

  open(bytes: Uint8Array, options: OpenBatchOptions = {}): Promise<OpenedBatch | RejectReason> {
    return this.#open(bytes, options)
  }

  /**
   * Whether its author may publish, as far as it is one. Before any signature is looked at, since keys
   * cost nothing: who has no certificate is refused for the price of a decoding.
   */
  async #mayPublish(
    authors: SignalAuthors,
    { payload, signer, time }: OpenedEnvelope,
    kept: boolean
  ): Promise<boolean> {
    if (authors.knows(signer)) {
      return true
    }
    const { clock, logAgeMs } = this.#init
    const now = clock.now()
    // What logs have outlives a certificate, but only as long as they keep it: nobody goes back further.
    const at = kept ? Math.min(now, Math.max(time, now - logAgeMs)) : now
    const { certificates = [] } = Batch.decode(payload)
    return certificates.length > 0 && (await authors.proves(signer, certificates, at))
  }

  /** Without options its author is not asked for. */
  async #open(
    bytes: Uint8Array,
    options: OpenBatchOptions | undefined
  ): Promise<OpenedBatch | RejectReason> {
    const { authors, cluster, signer } = this.#init
    const members = options && this.#init.members
    const channel = options?.channel
    if (bytes.length > messageBytesMax) {
      return 'oversized'
    }
    try {
      const claimed = options && authors && signer.claimed?.(bytes)
      if (
        authors !== undefined &&
        claimed !== undefined &&
        !(await this.#mayPublish(authors, claimed, options?.kept === true))
      ) {
        return 'not-a-member'
      }
      const envelope = await signer.open(bytes)
      const batch = Batch.decode(envelope.payload)
      if (batch.cluster !== cluster) {
        return 'other-cluster'
      }
      if (channel !== undefined && batch.channel !== channel) {
        return 'other-channel'
      }
      if (batch.first !== envelope.sequence || batch.signals.length === 0) {
        return 'malformed'
      }
      if (members !== undefined && !members().includes(envelope.signer)) {
        return 'not-a-member'
      }
      // Not before: what is of no concern here is no statement to anybody here.
      const [content] = batch.signals
      if (content !== undefined) {
        signer.noted?.({
          signer: envelope.signer,
          stream: `${batch.channel}#${batch.boot}`,
          sequence: batch.first,
          bytes: content,
          signed: bytes
        })
      }
      const signals = batch.signals.map(decodeSignal)
      return {
        author: envelope.signer,
        time: envelope.time,
        boot: batch.boot,
        first: batch.first,
        since: Math.min(batch.since, batch.first),
        attempt: batch.attempt,
        channel: batch.channel,
        durable: batch.durable === true,
        handed: batch.handed,
        original: bytes,
        count: signals.length,
        subjects: signals.some(({ subject }) => subject !== undefined),
        signals
      }
    } catch (error) {
      const name = error instanceof Error ? error.name : ''
      if (name === 'InvalidSignatureError') {
        return 'forged'
      }
      if (name === 'MalformedMessageError') {
        return 'malformed'
      }
      throw error
    }
  }
}
