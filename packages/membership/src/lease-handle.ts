import type { Clock, PeerLease } from '@murmuration/interface'
import type { Engine } from './engine.ts'
import { waitOf } from './waiters.ts'
import type { Waiters } from './waiters.ts'

/** The lease of this peer as upper layers see it: read from the clock whenever they ask. */
export function leaseOf(
  engine: Pick<Engine, 'leaseUntil'>,
  clock: Clock,
  waiters: Waiters
): PeerLease {
  const what = 'the lease of this peer'
  const remainingMs = (): number => Math.max(0, engine.leaseUntil() - clock.monotonic())
  return {
    get held() {
      return remainingMs() > 0
    },
    get remainingMs() {
      return remainingMs()
    },
    whenHeld: async (options = {}) => {
      await waiters.until(() => remainingMs() > 0 || undefined, { what, ...waitOf(what, options) })
    }
  }
}
