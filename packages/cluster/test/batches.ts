import type { Ed25519PrivateKey } from '@libp2p/interface'
import { encode } from '@murmuration/codec'
import { createSealer } from '@murmuration/identity'
import type { Sealer } from '@murmuration/identity'

/** Batches of signals as they travel, for who does what no bus would do. */
export const domain = 'murmuration-signals-1'

/** One of the topics that who listens for everything is in. */
export function topicOf(cluster: string): string {
  return `/${cluster}/signals/1/0`
}

export function targetOf(cluster: string, peer: string): string {
  return `/${cluster}/signals/1/to/${peer}`
}

export interface BatchInit {
  readonly cluster?: string
  readonly channel?: string
  readonly padding?: number
  readonly first?: number
}

/** A batch of one signal, under the first number of a boot if nobody says otherwise. */
export async function batchOf(
  key: Ed25519PrivateKey,
  id: string,
  init: BatchInit = {}
): Promise<Uint8Array> {
  return await sealedBatch(createSealer({ privateKey: key }), id, init)
}

/** The same for who has many to send. */
export async function sealedBatch(
  sealer: Sealer,
  id: string,
  init: BatchInit = {}
): Promise<Uint8Array> {
  const { cluster = 'vault', channel = topicOf(cluster), padding = 0, first = 1 } = init
  const signal = { specversion: '1.0', id, source: 's', type: 'a.b', data: 'x'.repeat(padding) }
  const batch = { cluster, channel, boot: 1, first, since: first, attempt: 0 }
  const payload = encode({ ...batch, signals: [encode(signal)] })
  return await sealer.seal({ domain, type: 'batch', sequence: first, payload })
}
