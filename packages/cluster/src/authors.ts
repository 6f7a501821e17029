import { createProofs } from '@murmuration/identity'
import type { Admitted, Certificate, Credentials } from '@murmuration/identity'
import type { SignalAuthors } from '@murmuration/signals'
import { mayUse } from './permissions.ts'

/**
 * Who may publish signals: peers that were admitted here and may, members of the view, and whoever
 * shows a certificate with the role for it beside what it signed. Edge peers are connected to some
 * members only, and in no view. Who is revoked is none of these.
 */
export function admittedAuthors(
  { admitted, credentials }: { readonly admitted: Admitted; readonly credentials: Credentials },
  isInView: (peer: string) => boolean
): SignalAuthors {
  const proofs = createProofs(credentials)
  const mayPublish = (certificate: Certificate | undefined): boolean =>
    mayUse(certificate, 'signals.gossip')
  return {
    shown: () => credentials.certificates(),
    knows: (author) =>
      !credentials.refuses(author) &&
      (isInView(author) || mayPublish(admitted.certificateOf(author))),
    proves: async (author, shown, at) => mayPublish(await proofs.check(author, shown, at))
  }
}
