import { bytes, integer, message } from '@murmuration/codec'
import type { Clock } from '@murmuration/interface'
import { messageBytesMax } from './defaults.ts'
import type { SignalSigner } from './signer.ts'

const Envelope = message(
  {
    sequence: integer({ min: 0 }),
    time: integer({ min: 0 }),
    payload: bytes({ max: messageBytesMax })
  },
  { bytesMax: messageBytesMax }
)

/** Envelopes without a signature, for a bus without a network: nobody else ever sees them. */
export function createLocalSigner(signer: string, clock: Pick<Clock, 'now'>): SignalSigner {
  return {
    seal: (payload, sequence) =>
      Envelope.encode({ payload, sequence, time: Math.trunc(clock.now()) }),
    open: (envelope) => ({ signer, ...Envelope.decode(envelope) })
  }
}
