import { bytes, integer, message, text } from '@murmuration/codec'
import type { Message } from '@murmuration/codec'
import { InvalidParametersError } from '@murmuration/interface'
import { envelopeBytesMaxDefault, envelopeTextMax } from '../defaults.ts'

/** The signed part of an envelope. */
export interface EnvelopeBody {
  readonly signer: Uint8Array
  readonly type: string
  readonly sequence: number
  readonly time: number
  readonly payload: Uint8Array
}

/** Its form; the domain is signed with it and does not travel. */
export const EnvelopeBody: Message<EnvelopeBody> = message(
  {
    signer: bytes({ max: 32 }),
    type: text({ max: envelopeTextMax }),
    sequence: integer({ min: 0 }),
    time: integer({ min: 0 }),
    payload: bytes()
  },
  { bytesMax: envelopeBytesMaxDefault }
)

/** Throws `InvalidParametersError` unless the text can be a domain. */
export function checkDomain(domain: string): void {
  if (typeof domain !== 'string' || domain.length === 0 || domain.length > envelopeTextMax) {
    throw new InvalidParametersError(`a domain has 1 to ${envelopeTextMax} characters`)
  }
}
