import type { View } from '@murmuration/interface'
import { announceMax, announceTimeoutMs } from '../defaults.ts'
import type { Context } from './context.ts'
import type { StoredHistory } from './history.ts'
import type { Decided } from './messages.ts'
import { pack } from './packing.ts'
import type { Decision } from './records.ts'
import { acceptorsOf } from './quorum.ts'

/**
 * Tells of new views. In small clusters whoever decided one tells all; in large ones it tells some,
 * and each member passes it on along the edges of the expander. Who is missed hears the number in
 * the next heartbeat and asks.
 */
export class Announcing {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  /** Adopts what was decided and tells the members of the view before and of the new one. */
  announce(before: View, chain: StoredHistory, now: number): void {
    const decision = chain.decisions.at(-1)
    if (decision === undefined || !this.#context.adopt(chain, now)) {
      return
    }
    const { view } = decision
    const message = this.#messageOf(before, decision)
    const changed = [
      ...(message.decision.delta?.drop ?? []),
      ...(message.decision.delta?.put ?? []).map(({ peer }) => peer)
    ]
    const isSmall = view.members.length <= announceMax
    const members = [...before.members, ...view.members].map(({ peer }) => peer)
    const some = [...acceptorsOf(view).map(({ peer }) => peer), ...this.#context.detector.watched]
    this.#send(new Set(isSmall ? members : [...some, ...changed]), message)
  }

  /** A member told of a view that is adopted now. */
  pass(from: string, before: View | undefined, decision: Decision): void {
    if (before !== undefined && decision.view.members.length > announceMax) {
      const others = this.#context.detector.watched.filter((peer) => peer !== from)
      this.#send(new Set(others), this.#messageOf(before, decision))
    }
  }

  #messageOf(before: View, decision: Decision): Decided {
    return { standing: this.#context.standing(), decision: pack(before, decision) }
  }

  #send(peers: ReadonlySet<string>, message: Decided): void {
    const { outbox, self } = this.#context
    for (const peer of peers) {
      if (peer !== self.peer) {
        outbox.request(peer, 'decided', message, announceTimeoutMs, (answer, later) => {
          if (answer !== undefined) {
            this.#context.meet(peer, answer.standing, later)
          }
        })
      }
    }
  }
}
