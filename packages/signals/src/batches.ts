import type { Signal } from '@murmuration/interface'
import { Batch, decodeSignal } from './core/wire.ts'
import type { RejectReason } from './counters.ts'
import { messageBytesMax } from './defaults.ts'
import type { SignalSigner } from './signer.ts'

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
}

/** Signs and opens batches; everything that is wrong with one is a value, since it is expected. */
export class BatchSeal {
  readonly #init: BatchSealInit

  constructor(init: BatchSealInit) {
    this.#init = init
  }

  async seal(batch: Omit<Batch, 'cluster' | 'boot'>): Promise<Uint8Array> {
    const { cluster, boot, signer } = this.#init
    return await signer.seal(Batch.encode({ ...batch, cluster, boot: boot() }), batch.first)
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
    return this.#open(bytes, undefined, undefined)
  }

  /** What an author hands over itself; of others it is refused before anything is verified. */
  async openFrom(
    author: string,
    bytes: Uint8Array,
    channel: string
  ): Promise<OpenedBatch | RejectReason> {
    const claimed = this.#init.signer.claimedBy?.(bytes)
    if (claimed !== undefined && claimed !== author) {
      return 'not-the-caller'
    }
    const batch = await this.open(bytes, channel)
    return typeof batch !== 'string' && batch.author !== author ? 'not-the-caller' : batch
  }

  /** Without a channel any one of this cluster will do. */
  open(bytes: Uint8Array, channel?: string): Promise<OpenedBatch | RejectReason> {
    return this.#open(bytes, channel, this.#init.members)
  }

  async #open(
    bytes: Uint8Array,
    channel: string | undefined,
    members: (() => readonly string[]) | undefined
  ): Promise<OpenedBatch | RejectReason> {
    const { cluster, signer } = this.#init
    if (bytes.length > messageBytesMax) {
      return 'oversized'
    }
    try {
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
