import type { Context } from './context.ts'
import type { MemberKey } from './core/homes.ts'
import { Sender } from './sender.ts'
import type { Tenure } from './tenure.ts'

/**
 * Keeps the replicas of owned documents up to date. Whatever becomes due for one peer, of all
 * documents, is sent together at the end of the turn; while messages are under way, batches grow.
 * What fails is sent again, until it arrives or a view takes the replica away.
 */
export class Senders {
  readonly #context: Context
  readonly #self: MemberKey
  readonly #byMember = new Map<MemberKey, Sender>()

  constructor(context: Context, self: MemberKey) {
    this.#context = context
    this.#self = self
  }

  notify(tenure: Tenure): void {
    if (tenure.ended || tenure.held.copy.empty) {
      return
    }
    for (const target of tenure.replication.targets) {
      if (target.mode === 'full' || target.queue.length > 0) {
        this.#sender(target.key, target.peer).add(tenure)
      }
    }
  }

  /** Forgets peers that left; called with each view. */
  adopt(members: ReadonlySet<MemberKey>): void {
    for (const [key, sender] of this.#byMember) {
      if (!members.has(key)) {
        sender.stop()
        this.#byMember.delete(key)
      }
    }
  }

  /** A peer came back: do not wait for the next retry. */
  wake(peer: string): void {
    for (const sender of this.#byMember.values()) {
      if (sender.peer === peer) {
        sender.wake()
      }
    }
  }

  stop(): void {
    this.adopt(new Set())
  }

  #sender(key: MemberKey, peer: string): Sender {
    let sender = this.#byMember.get(key)
    if (sender === undefined) {
      sender = new Sender(this.#context, { key, peer, self: key === this.#self })
      this.#byMember.set(key, sender)
    }
    return sender
  }
}
