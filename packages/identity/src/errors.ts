import { MurmurationError } from '@murmuration/interface'
import type { ErrorDetail } from '@murmuration/interface'

/** The key file can be read or written by others than its owner; it was neither used nor changed. */
export class InsecureKeyFileError extends MurmurationError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('InsecureKeyFileError', message, { code: 'ERR_INSECURE_KEY_FILE', ...detail })
  }
}

/**
 * What is wrong with a certificate. `wrong-issuer`: the key that signed it is no delegate, or gave
 * roles that it may not give. `old-epoch` and `revoked` are decisions of this peer.
 */
export type CertificateFault =
  | 'malformed'
  | 'bad-signature'
  | 'wrong-root'
  | 'wrong-issuer'
  | 'wrong-cluster'
  | 'wrong-peer'
  | 'not-yet-valid'
  | 'expired'
  | 'old-epoch'
  | 'revoked'

/** A certificate does not hold; `reason` says why. */
export class InvalidCertificateError extends MurmurationError {
  readonly reason: CertificateFault

  constructor(reason: CertificateFault, message: string, detail: ErrorDetail = {}) {
    super('InvalidCertificateError', message, { code: 'ERR_INVALID_CERTIFICATE', ...detail })
    this.reason = reason
  }
}
