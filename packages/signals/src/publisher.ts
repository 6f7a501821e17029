import type { Clock, PublishResult, SignalRoute } from '@murmuration/interface'
import { UnavailableError } from '@murmuration/interface'
import type { ClusterSender } from './cluster-sender.ts'
import { codeOf } from './codes.ts'
import type { SignalsComponents } from './components.ts'
import type { Dispatcher, LocalOutcome, Patience } from './core/dispatcher.ts'
import type { Letter, Posted } from './core/outbox.ts'
import { topicNumber } from './core/pattern.ts'
import { decodeOwnSignal } from './core/wire.ts'
import { withDeadline } from './deadline.ts'
import { outcomeOf } from './targeted-route.ts'
import type { Answer, TargetedRoute } from './targeted-route.ts'

/** A checked signal on its way out. */
export interface Publication {
  readonly id: string
  readonly type: string
  readonly segments: readonly string[]
  readonly bytes: Uint8Array
  readonly subject: boolean
  /** Whether it is promised to be delivered at least once. */
  readonly durable: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

export interface PublisherInit {
  readonly self: string
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly sender: ClusterSender | undefined
  readonly targeted: TargetedRoute
  readonly ownerOf: SignalsComponents['ownerOf']
}

type Dropped = PublishResult['dropped'][number]

/** What one way of delivery knows. */
interface Part {
  readonly recipients: readonly string[]
  readonly dropped: readonly Dropped[]
  /** Only for what is promised at least once. */
  readonly accepted?: boolean
  readonly copies?: number
}

const nothing: Part = { recipients: [], dropped: [] }
const late = 'deadline exceeded'

/** Takes a signal along its route and gathers what is known of it. */
export class Publisher {
  readonly #init: PublisherInit

  constructor(init: PublisherInit) {
    this.#init = init
  }

  async send(publication: Publication, route: SignalRoute): Promise<PublishResult> {
    const parts = await this.#parts(publication, route)
    const recipients = parts.flatMap((part) => part.recipients)
    const dropped = parts.flatMap((part) => part.dropped)
    const { durable, id } = publication
    if (durable) {
      const promised = parts.filter(({ accepted }) => accepted !== undefined)
      return {
        id,
        accepted: promised.length > 0 && promised.every(({ accepted }) => accepted === true),
        copies: Math.min(...promised.map(({ copies = 0 }) => copies)),
        recipients: [...new Set(recipients)],
        dropped
      }
    }
    // Nobody who listens is no failure; everybody missed is one.
    const accepted = recipients.length > 0 || dropped.length === 0
    return { id, accepted, recipients, dropped }
  }

  async #parts(publication: Publication, route: SignalRoute): Promise<readonly Part[]> {
    const { durable } = publication
    const { self, sender, targeted } = this.#init
    if (route === 'local' || (route === 'cluster' && sender === undefined && durable)) {
      // Posted first: where its outbox is full, it throws and nothing has happened yet.
      const promised = durable ? [this.#target(publication, self)] : []
      const local = Promise.resolve(this.#local(publication, { logged: durable }))
      return await Promise.all([...promised, local])
    }
    if (route === 'cluster' && sender === undefined) {
      // Nobody sends it, which is when it is logged otherwise. Throws before anything has happened.
      const logged = targeted.post(self, this.#letter(publication)).result
      const local = this.#local(publication, { logged: true })
      await logged
      return [await local]
    }
    if (route === 'cluster') {
      const remote = this.#cluster(publication)
      const local = this.#local(publication, { logged: true })
      return [await remote, await local]
    }
    const peers = 'shard' in route ? [await this.#owner(publication, route.shard)] : route.targeted
    return await Promise.all(
      [...new Set(peers)].flatMap((peer) => {
        if (peer !== self) {
          return [this.#target(publication, peer)]
        }
        const local = Promise.resolve(
          this.#local(publication, { named: !durable, logged: durable })
        )
        return durable ? [this.#target(publication, self), local] : [local]
      })
    )
  }

  /**
   * A promise only where a full queue lets the publisher wait.
   *
   * `named`: whether this peer was asked for, so that not listening is worth a word. `logged`: whether
   * it comes into the log, from which subscriptions have it that are still reading that.
   */
  #local(
    publication: Publication,
    { logged = false, named = false }: { readonly logged?: boolean; readonly named?: boolean }
  ): Part | Promise<Part> {
    const { dispatcher, self } = this.#init
    if (!dispatcher.listens(publication.type)) {
      return named
        ? { recipients: [], dropped: [{ peer: self, reason: 'no-subscription' }] }
        : nothing
    }
    // A copy as another peer would get it: what the publisher changes later must not show.
    const copy = decodeOwnSignal(publication.bytes)
    const patience = this.#patience(publication, logged)
    const outcome = dispatcher.dispatch(copy, { author: self }, patience)
    return outcome instanceof Promise
      ? outcome.finally(patience.over).then((settled) => this.#own(settled, named))
      : this.#own(outcome, named)
  }

  /** Until when a full queue may hold it back; a timer is made only where one does. */
  #patience(
    { signal, timeoutMs }: Publication,
    logged: boolean
  ): Patience & { readonly over: () => void } {
    const { clock } = this.#init
    let cancel: (() => void) | undefined
    let until: AbortSignal | undefined
    const begin = (): AbortSignal => {
      const timer = new AbortController()
      cancel = clock.schedule(timeoutMs, () => timer.abort())
      return signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal])
    }
    return {
      wait: true,
      ...(logged ? { position: Infinity } : {}),
      get signal() {
        until ??= begin()
        return until
      },
      over: () => cancel?.()
    }
  }

  /** What became of a signal at this peer itself. */
  #own(outcome: LocalOutcome, named: boolean): Part {
    const { self } = this.#init
    const word = outcomeOf(outcome)
    return {
      recipients: outcome.delivered > 0 ? [self] : [],
      dropped:
        outcome.dropped > 0
          ? [{ peer: self, reason: 'queue-full' }]
          : named && word === 'no-subscription'
            ? [{ peer: self, reason: word }]
            : []
    }
  }

  /** Throws at once, and changes nothing, where too much waits to be sent. */
  #cluster(publication: Publication): Promise<Part> {
    const { clock, sender } = this.#init
    if (sender === undefined) {
      return Promise.resolve(nothing)
    }
    const { durable, segments, signal, timeoutMs } = publication
    const number = topicNumber(segments[0] ?? '')
    const posted = sender.post(number, this.#letter(publication))
    const giveUp = (): void => void posted.cancel()
    return withDeadline<Part>(posted.result, { clock, timeoutMs, signal, giveUp }, () => ({
      ...(durable ? { accepted: false, copies: 0 } : {}),
      recipients: [],
      dropped: sender.subscribers(number).map((peer) => ({ peer, reason: late }))
    }))
  }

  #letter({ bytes, durable, subject, timeoutMs }: Publication): Letter {
    return { bytes, durable, subject, deadline: this.#init.clock.monotonic() + timeoutMs }
  }

  async #target(publication: Publication, peer: string): Promise<Part> {
    const { clock, targeted } = this.#init
    const { durable, signal, timeoutMs } = publication
    const part = ({ word, ...promise }: Answer): Part => {
      const given = durable ? { accepted: false, copies: 0, ...promise } : {}
      return word === 'delivered' || word === 'logged' || (durable && word === 'duplicate')
        ? { ...given, recipients: [peer], dropped: [] }
        : { ...given, recipients: [], dropped: [{ peer, reason: word }] }
    }
    let posted: Posted<Answer>
    try {
      posted = targeted.post(peer, this.#letter(publication))
    } catch (error) {
      // The other targets may have room, so this is one peer's reason and no error of all.
      return part({ word: codeOf(error) })
    }
    const giveUp = (): void => void posted.cancel()
    const init = { clock, timeoutMs, signal, giveUp }
    return part(await withDeadline(posted.result, init, () => ({ word: late })))
  }

  async #owner(publication: Publication, key: string): Promise<string> {
    const { clock, ownerOf } = this.#init
    if (ownerOf === undefined) {
      throw new UnavailableError('route { shard } needs the component ownerOf')
    }
    const { signal, timeoutMs } = publication
    const owner = await withDeadline(
      Promise.resolve(ownerOf(key)),
      { clock, timeoutMs, signal },
      () => undefined
    )
    if (owner === undefined) {
      throw new UnavailableError(`no owner is known for shard key ${key}`)
    }
    return owner
  }
}
