import { edgeLeaseMs, UnavailableError } from '@murmuration/interface'
import type {
  Leases,
  Membership,
  Registers,
  Rpc,
  RpcContext,
  Service,
  View
} from '@murmuration/interface'
import { defaults } from '../defaults.ts'
import { SEAT, SeatRecord, SeatReply, SeatRequest, seatKeyOf, seatTaken } from './messages.ts'

export interface SeatKeeperComponents {
  readonly rpc: Rpc
  readonly membership: Membership & Leases
  readonly registers: Registers
}

/**
 * The side of the members: an edge peer takes its seat by a ballot on its register, and renews its
 * lease by a linearizable read of it. Whoever takes the seat later is seen by every read that is sent
 * after that, so the lease of the former life ends at most one lease later. Both are answered only
 * under the lease of this member: on the smaller side of a split edge peers stop, as members do.
 */
export class SeatKeeper implements Service {
  readonly #components: SeatKeeperComponents

  constructor(components: SeatKeeperComponents) {
    this.#components = components
  }

  start(): void {
    this.#components.rpc.handle(SEAT, (request, call) => this.#onSeat(request, call))
  }

  stop(): void {
    this.#components.rpc.unhandle(SEAT)
  }

  async #onSeat(bytes: Uint8Array, call: RpcContext): Promise<Uint8Array> {
    const request = SeatRequest.decode(bytes)
    const { registers } = this.#components
    const ended = SeatReply.encode({ status: 'ended', number: 0, replaced: false, leaseMs: 0 })
    if (!this.#mayHave(call.peer)) return ended
    const key = seatKeyOf(call.peer)
    const options = {
      signal: call.signal,
      timeoutMs: Math.min(defaults.ballotTimeoutMs, call.remainingMs)
    }
    const outcome =
      request.number === 0
        ? await registers.change(key, (current) => changed(current, request), options)
        : await registers.read(key, options)
    if (outcome.status !== 'committed' || outcome.value === undefined) {
      throw new UnavailableError(`the seat of ${call.peer} cannot be known now`)
    }
    // Looked at again: a view may have been adopted meanwhile, or the lease of this member has lapsed.
    if (!this.#mayHave(call.peer)) return ended
    const { number, incarnation, boot, replaced } = SeatRecord.decode(outcome.value)
    const isHeld =
      incarnation === request.incarnation &&
      boot === request.boot &&
      (request.number === 0 || request.number === number)
    const leaseMs = edgeLeaseMs(this.#view())
    return SeatReply.encode({ status: isHeld ? 'held' : 'taken', number, replaced, leaseMs })
  }

  /** Whether a peer may be an edge peer. @throws UnavailableError where that is not known, or not yet */
  #mayHave(peer: string): boolean {
    const { membership } = this.#components
    const view = this.#view()
    if (view.members.some((member) => member.peer === peer)) return false
    if (view.revoked?.peers.includes(peer) === true) return false
    if (!membership.lease.held) {
      throw new UnavailableError('this member holds no lease, so it grants none')
    }
    // What it owned as a member, it must not own as an edge peer at the same time.
    const lives = membership.unsettledViews().flatMap(({ members }) => members)
    if (lives.some((life) => life.peer === peer && !membership.mayReplace(life))) {
      throw new UnavailableError(`${peer} was a member, and its lease has not ended`)
    }
    return true
  }

  #view(): View {
    const { view } = this.#components.membership
    if (view === undefined) throw new UnavailableError('this member has no view yet')
    return view
  }
}

/** The very bytes that were given say that nothing changes. */
function changed(bytes: Uint8Array | undefined, request: SeatRequest): Uint8Array {
  const current = bytes === undefined ? undefined : SeatRecord.decode(bytes)
  const next = seatTaken(current, request)
  return bytes !== undefined && next === current ? bytes : SeatRecord.encode(next)
}
