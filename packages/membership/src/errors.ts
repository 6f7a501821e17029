import { MurmurationError } from '@murmuration/interface'
import type { RefusalReason } from './core/messages.ts'

/**
 * A member refused this peer, for a reason that does not pass by itself: the configuration of this
 * peer or of the cluster has to change. The message says what the cluster has.
 */
export class JoinRefusedError extends MurmurationError {
  readonly reason: RefusalReason

  constructor(reason: RefusalReason, message: string) {
    super('JoinRefusedError', message, { code: 'ERR_JOIN_REFUSED' })
    this.reason = reason
  }
}

/** What time does not heal. */
export const lastingRefusals: ReadonlySet<RefusalReason> = new Set([
  'cluster-differs',
  'placement-differs',
  'protocol-differs',
  'role-missing',
  'identity-differs',
  'incarnation-retired',
  'revoked'
])
