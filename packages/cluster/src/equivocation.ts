import { createEquivocationWatch } from '@murmuration/identity'
import type { Equivocation } from '@murmuration/identity'
import type { SignalSigner } from '@murmuration/signals'

/**
 * A signer that notices when an author has signed two different signals under one number. Of authors
 * that are not known nothing is remembered: anybody can make keys and have them say anything.
 */
export function watchfulSigner(
  signer: SignalSigner,
  {
    knows,
    accuse
  }: {
    readonly knows: (peer: string) => boolean
    readonly accuse: (proof: Equivocation) => void
  }
): SignalSigner {
  const watch = createEquivocationWatch()
  return {
    seal: (payload, sequence) => signer.seal(payload, sequence),
    open: (envelope) => signer.open(envelope),
    ...(signer.claimedBy === undefined ? {} : { claimedBy: signer.claimedBy.bind(signer) }),
    noted: (statement) => {
      const proof = knows(statement.signer) ? watch.observe(statement) : undefined
      if (proof !== undefined) accuse(proof)
    }
  }
}
