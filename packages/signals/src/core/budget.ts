export interface BudgetInit {
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
  /** Neighbours that are remembered; the one that was heard least recently goes first. */
  readonly peersMax: number
}

interface Bucket {
  messages: number
  bytes: number
  at: number
}

/**
 * What each neighbour may send, as a token bucket that holds two seconds' worth: asked before
 * anything is decoded or verified, so that a flood costs its sender more than its receiver.
 */
export class Budget {
  readonly #init: BudgetInit
  readonly #buckets = new Map<string, Bucket>()

  constructor(init: BudgetInit) {
    this.#init = init
  }

  /** Takes one message out of the budget of a peer; false where there is not enough left. */
  take(peer: string, bytes: number, now: number): boolean {
    const { bytesPerSecond, messagesPerSecond, peersMax } = this.#init
    const bucket = this.#buckets.get(peer) ?? {
      messages: 2 * messagesPerSecond,
      bytes: 2 * bytesPerSecond,
      at: now
    }
    const seconds = Math.max(0, now - bucket.at) / 1000
    bucket.messages = Math.min(2 * messagesPerSecond, bucket.messages + seconds * messagesPerSecond)
    bucket.bytes = Math.min(2 * bytesPerSecond, bucket.bytes + seconds * bytesPerSecond)
    bucket.at = now
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > peersMax) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    if (bucket.messages < 1 || bucket.bytes < bytes) {
      return false
    }
    bucket.messages -= 1
    bucket.bytes -= bytes
    return true
  }
}
