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
  readonly signals: readonly Signal[]
}

export interface BatchSealInit {
  readonly signer: SignalSigner
  readonly cluster: string
  readonly boot: number
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
    return await signer.seal(Batch.encode({ ...batch, cluster, boot }), batch.first)
  }

  async open(bytes: Uint8Array, channel: string): Promise<OpenedBatch | RejectReason> {
    const { cluster, signer, members } = this.#init
    if (bytes.length > messageBytesMax) {
      return 'oversized'
    }
    try {
      const envelope = await signer.open(bytes)
      const batch = Batch.decode(envelope.payload)
      if (batch.cluster !== cluster) {
        return 'other-cluster'
      }
      if (batch.channel !== channel) {
        return 'other-channel'
      }
      if (batch.first !== envelope.sequence || batch.signals.length === 0) {
        return 'malformed'
      }
      if (members !== undefined && !members().includes(envelope.signer)) {
        return 'not-a-member'
      }
      return {
        author: envelope.signer,
        time: envelope.time,
        boot: batch.boot,
        first: batch.first,
        since: Math.min(batch.since, batch.first),
        attempt: batch.attempt,
        signals: batch.signals.map(decodeSignal)
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
