import type { AbortOptions } from '@libp2p/interface'
import { AbortedError, NotStartedError, UnavailableError } from '@murmuration/interface'
import type {
  Clock,
  LeaseWaitOptions,
  LogSink,
  Membership,
  PeerLease,
  Random,
  Rpc,
  Service
} from '@murmuration/interface'
import { defaults } from '../defaults.ts'
import { SEAT, SeatReply, SeatRequest } from './messages.ts'

export interface EdgeSeatComponents {
  readonly rpc: Rpc
  /** That of a peer outside the view. */
  readonly membership: Membership
  readonly clock: Clock
  readonly random: Random
  readonly log?: LogSink | undefined
}

/** By how much two clocks may drift apart, both ways. */
const drift = 1.05 ** 2

/**
 * The side of an edge peer: takes its seat once for each start, and renews its lease for as long as it
 * runs. What ends it ends it for good: the next start may take the seat anew. Only while it still waits
 * for the lease of a life with another disk to end, and so has owned nothing, it takes the seat again: a
 * ballot of that life, killed meanwhile, may be decided after its own.
 */
export class EdgePeerSeat implements Service {
  readonly #components: EdgeSeatComponents
  readonly #lost = new AbortController()
  readonly #waiting = new Set<() => void>()
  #number: number | undefined
  /** The member that answered last. */
  #at: string | undefined
  #until = Number.NEGATIVE_INFINITY
  /** When the lease of the life before has ended. */
  #from = Number.NEGATIVE_INFINITY
  #failures = 0
  #retakes = 0
  #isRunning = false
  #cancel: (() => void) | undefined
  #cancelFrom: (() => void) | undefined

  constructor(components: EdgeSeatComponents) {
    this.#components = components
  }

  /** Undefined until the life before can act no more. */
  get number(): number | undefined {
    return this.#isDue ? this.#number : undefined
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get isTaken(): boolean {
    return this.number !== undefined && !this.#lost.signal.aborted && this.#isRunning
  }

  get #isDue(): boolean {
    return this.#components.clock.monotonic() >= this.#from
  }

  start(): void {
    this.#isRunning = true
    void this.#beat()
  }

  stop(): void {
    this.#isRunning = false
    this.#until = Number.NEGATIVE_INFINITY
    this.#cancel?.()
    this.#cancelFrom?.()
    this.#look()
  }

  async whenTaken(options: AbortOptions = {}): Promise<number> {
    return await this.#when(() => this.number, 'the seat of this edge peer', options)
  }

  readonly lease: PeerLease = this.#lease()

  #lease(): PeerLease {
    const left = (): number => this.#leftMs()
    const when = async (options: LeaseWaitOptions): Promise<void> => {
      const find = (): true | undefined => (left() > 0 ? true : undefined)
      await this.#when(find, 'the lease of this edge peer', options)
    }
    return {
      get held() {
        return left() > 0
      },
      get remainingMs() {
        return left()
      },
      whenHeld: (options = {}) => when(options)
    }
  }

  #leftMs(): number {
    const now = this.#components.clock.monotonic()
    return this.isTaken ? Math.max(0, this.#until - now) : 0
  }

  async #beat(): Promise<void> {
    const { clock, random, log } = this.#components
    let nextMs: number
    try {
      nextMs = await this.#renew()
      this.#failures = 0
    } catch (error) {
      // Another member is asked next; what waits for the lease has its own deadline.
      log?.(`the seat was not renewed: ${String(error)}`)
      this.#at = undefined
      this.#failures++
      nextMs = Math.min(defaults.seatRetryMs * 2 ** Math.min(this.#failures - 1, 10), 2_000)
    }
    if (!this.#isRunning || this.#lost.signal.aborted) return
    const delayMs = nextMs * (0.75 + random.next() / 4)
    this.#cancel = clock.schedule(delayMs, () => void this.#beat())
  }

  /** Gives the time to the next renewal. */
  async #renew(): Promise<number> {
    const { rpc, membership, clock } = this.#components
    const peer = (this.#at ??= this.#choose())
    if (peer === undefined) throw new UnavailableError('no member is known yet')
    const { incarnation, boot } = membership.self
    const sentAt = clock.monotonic()
    const request = SeatRequest.encode({ incarnation, boot, number: this.#number ?? 0 })
    const timeoutMs = defaults.questionTimeoutMs
    const reply = SeatReply.decode(await rpc.call(peer, SEAT, request, { timeoutMs }))
    if (reply.status === 'taken' && !this.#isDue && this.#retakes < defaults.seatRetakesMax) {
      this.#retakes++
      this.#number = undefined
      return 0
    }
    if (reply.status !== 'held') {
      this.#lose(reply)
      return 0
    }
    const { number, replaced, leaseMs } = reply
    if (this.#number === undefined && replaced) {
      this.#from = clock.monotonic() + leaseMs * drift
      this.#cancelFrom = clock.schedule(leaseMs * drift, () => this.#look())
    }
    this.#number = number
    // A lease is counted from when its renewal was sent.
    this.#until = Math.max(this.#until, sentAt + leaseMs)
    this.#look()
    return leaseMs / 3
  }

  #lose({ status, number }: SeatReply): void {
    const why = status === 'taken' ? `life ${number} of it has the seat` : 'it may have none'
    this.#components.log?.(`this edge peer owns nothing any more: ${why}`)
    this.#lost.abort()
    this.#look()
  }

  /** One that is connected, by chance. */
  #choose(): string | undefined {
    const { membership, random } = this.#components
    const members = membership.view?.members.map(({ peer }) => peer) ?? []
    const near = members.filter((peer) => membership.reachability(peer) === 'reachable')
    const among = near.length > 0 ? near : members
    return among[Math.floor(random.next() * among.length)]
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }

  #when<T>(
    find: () => T | undefined,
    what: string,
    { signal, timeoutMs }: LeaseWaitOptions
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let cancel: (() => void) | undefined
      const end = (): void => {
        cancel?.()
        this.#waiting.delete(look)
        signal?.removeEventListener('abort', look)
      }
      const fail = (error: Error): void => {
        end()
        reject(error)
      }
      const look = (): void => {
        const found = find()
        if (this.#lost.signal.aborted) {
          fail(new UnavailableError(`${what} is lost: another life of it, or the view, ended it`))
        } else if (found !== undefined) {
          end()
          resolve(found)
        } else if (!this.#isRunning) {
          fail(new NotStartedError(`${what} is not kept: it was stopped`))
        } else if (signal?.aborted === true) {
          fail(new AbortedError(`nobody waits for ${what} any more`))
        }
      }
      if (timeoutMs !== undefined) {
        const late = (): void => fail(new UnavailableError(`${what} was not held in time`))
        cancel = this.#components.clock.schedule(timeoutMs, late)
      }
      this.#waiting.add(look)
      signal?.addEventListener('abort', look)
      look()
    })
  }
}
