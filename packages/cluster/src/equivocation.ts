import { createEquivocationWatch } from '@murmuration/identity'
import type { Equivocation } from '@murmuration/identity'
import type { SignalSigner } from '@murmuration/signals'

/** A signer that notices when an author has signed two different signals under one number. */
export function watchfulSigner(
  signer: SignalSigner,
  accuse: (proof: Equivocation) => void
): SignalSigner {
  const watch = createEquivocationWatch()
  return {
    seal: (payload, sequence) => signer.seal(payload, sequence),
    open: (envelope) => signer.open(envelope),
    noted: (statement) => {
      const proof = watch.observe(statement)
      if (proof !== undefined) accuse(proof)
    }
  }
}
