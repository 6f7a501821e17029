import { bytes, integer, list, message, text } from '@murmuration/codec'
import { createEquivocationWatch } from '@murmuration/identity'
import type { Equivocation } from '@murmuration/identity'
import type { SignalSigner } from '@murmuration/signals'

/** What of a batch of signals says under which number its first signal stands. */
const Numbered = message({
  boot: integer({ min: 0 }),
  channel: text({ max: 256 }),
  first: integer({ min: 0 }),
  signals: list(bytes(), { max: 65_536 })
})

/**
 * A signer that notices when an author has signed two different signals under one number. A batch that
 * is sent again may be cut differently, so signals are compared and not batches.
 */
export function watchfulSigner(
  signer: SignalSigner,
  accuse: (proof: Equivocation) => void
): SignalSigner {
  const watch = createEquivocationWatch()
  return {
    seal: (payload, sequence) => signer.seal(payload, sequence),
    open: async (envelope) => {
      const opened = await signer.open(envelope)
      const { boot, channel, first, signals } = Numbered.decode(opened.payload)
      const [content] = signals
      if (content !== undefined) {
        const stream = `${channel}#${boot}`
        const said = { signer: opened.signer, stream, sequence: first, bytes: content }
        const proof = watch.observe({ ...said, signed: envelope })
        if (proof !== undefined) accuse(proof)
      }
      return opened
    }
  }
}
