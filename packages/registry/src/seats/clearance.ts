import {
  AbortedError,
  edgeLeaseMs,
  NotStartedError,
  UnavailableError
} from '@murmuration/interface'
import type {
  Clock,
  LeaseWaitOptions,
  Membership,
  Registers,
  Service,
  View
} from '@murmuration/interface'
import { defaults } from '../defaults.ts'
import { SeatRecord, seatKeyOf } from './messages.ts'

export interface SeatClearanceComponents {
  readonly membership: Membership
  readonly registers: Registers
  readonly clock: Clock
}

/** By how much two clocks may drift apart, both ways. */
const drift = 1.05 ** 2

/**
 * A member that was an edge peer before, on another disk, owns what is pinned to it only when the
 * lease of that life has ended: members that have adopted the view with this one renew it no more, and
 * the others hold no lease soon after.
 */
export class SeatClearance implements Service {
  readonly #components: SeatClearanceComponents
  readonly #stopped = new AbortController()
  readonly #waiting = new Set<() => void>()
  #isClear = false
  #cancel: (() => void) | undefined

  constructor(components: SeatClearanceComponents) {
    this.#components = components
  }

  get isClear(): boolean {
    return this.#isClear
  }

  start(): void {
    void this.#ask()
  }

  stop(): void {
    this.#stopped.abort()
    this.#cancel?.()
    for (const look of this.#waiting) look()
  }

  /** Fails as `whenHeld` of a lease does. */
  whenClear({ signal, timeoutMs }: LeaseWaitOptions = {}): Promise<void> {
    if (this.#isClear) return Promise.resolve()
    return new Promise((resolve, reject) => {
      let isLate = false
      const look = (): void => {
        if (this.#isClear) end(resolve)
        else if (isLate) end(() => reject(new UnavailableError('another life may act still')))
        else if (this.#stopped.signal.aborted) end(() => reject(new NotStartedError('stopped')))
        else if (signal?.aborted === true) end(() => reject(new AbortedError('nobody waits')))
      }
      const late = (): void => {
        isLate = true
        look()
      }
      const { clock } = this.#components
      const cancel = timeoutMs === undefined ? undefined : clock.schedule(timeoutMs, late)
      const end = (settle: () => void): void => {
        cancel?.()
        this.#waiting.delete(look)
        signal?.removeEventListener('abort', look)
        settle()
      }
      this.#waiting.add(look)
      signal?.addEventListener('abort', look)
      look()
    })
  }

  async #ask(): Promise<void> {
    const { registers, membership, clock } = this.#components
    const { view, self } = membership
    const timeoutMs = defaults.ballotTimeoutMs
    // Before it is a member, an edge peer of its name may still get the seat.
    const isIn = view?.members.some((member) => member.incarnation === self.incarnation) === true
    const outcome = isIn ? await registers.read(seatKeyOf(self.peer), { timeoutMs }) : undefined
    if (this.#stopped.signal.aborted) return
    if (view === undefined || outcome?.status !== 'committed') {
      this.#cancel = clock.schedule(defaults.seatRetryMs, () => void this.#ask())
      return
    }
    const seat = outcome.value === undefined ? undefined : SeatRecord.decode(outcome.value)
    // A disk is opened by one process at a time.
    const isFree = seat === undefined || seat.incarnation === self.incarnation
    this.#cancel = clock.schedule(isFree ? 0 : leasesMs(view) * drift, () => this.#clear())
  }

  #clear(): void {
    this.#isClear = true
    for (const look of this.#waiting) look()
  }
}

/** That of the member which renewed last, and the one that it gave. */
function leasesMs(view: View): number {
  const own = edgeLeaseMs(view)
  return own + own / 4
}
