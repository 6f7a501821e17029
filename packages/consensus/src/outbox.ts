import type { Answer, Request } from './core/requests.ts'
import type { Voter } from './core/home-set.ts'
import {
  messageBytesMax,
  messageItemsMax,
  messagesInFlightMax,
  queueMax,
  requestPatience
} from './defaults.ts'
import { replyBatch, replyFromWire, requestBatch, sizeOf, toWire } from './wire.ts'
import type { ReplyBatch, RequestBatch } from './wire.ts'

export interface OutboxInit {
  /** `PeerId#incarnation#boot` of this proposer. */
  readonly proposer: string
  readonly self: string
  readonly call: (peer: string, request: Uint8Array, timeoutMs: number) => Promise<Uint8Array>
  /** How long a message may take, unless messages to the same peer took longer than half of that. */
  readonly timeoutMs: number
  /** The monotonic time. */
  readonly now: () => number
  /** Requests to the own acceptor need no bytes. */
  readonly serveSelf: (batch: RequestBatch) => Promise<ReplyBatch>
}

interface Item {
  readonly request: Request
  readonly answered: (answer: Answer) => void
}

interface Queue {
  readonly peer: string
  readonly incarnation: string
  readonly view: number
  items: Item[]
  isScheduled: boolean
}

/**
 * Requests on their way to acceptors. What is due for one of them in a turn of the event loop goes out
 * in one message; while several are under way, the next one grows. Messages to one that is slow get more
 * time: where all are slow, a round that is given up too early is begun anew for ever.
 */
export class Outbox {
  readonly #init: OutboxInit
  readonly #queues = new Map<string, Queue>()
  readonly #inFlight = new Map<string, number>()
  /** How long messages to peers that are slow may take. */
  readonly #patienceMs = new Map<string, number>()

  constructor(init: OutboxInit) {
    this.#init = init
  }

  send(
    { incarnation, peer }: Voter,
    view: number,
    request: Request,
    answered: (answer: Answer) => void
  ): void {
    const key = `${view}/${incarnation}/${peer}`
    let queue = this.#queues.get(key)
    if (queue === undefined) {
      queue = { peer, incarnation, view, items: [], isScheduled: false }
      this.#queues.set(key, queue)
    }
    if (queue.items.length >= queueMax) {
      queueMicrotask(() => answered({ type: 'silent' }))
      return
    }
    queue.items.push({ request, answered })
    this.#schedule(key, queue)
  }

  #schedule(key: string, queue: Queue): void {
    if (!queue.isScheduled) {
      queue.isScheduled = true
      queueMicrotask(() => {
        queue.isScheduled = false
        this.#flush(key, queue)
      })
    }
  }

  #flush(key: string, queue: Queue): void {
    const { peer } = queue
    while (queue.items.length > 0) {
      const inFlight = this.#inFlight.get(peer) ?? 0
      if (inFlight >= messagesInFlightMax) {
        return
      }
      this.#inFlight.set(peer, inFlight + 1)
      void this.#deliver(queue, take(queue)).finally(() => this.#done(peer))
    }
    this.#queues.delete(key)
  }

  #done(peer: string): void {
    const left = (this.#inFlight.get(peer) ?? 1) - 1
    if (left > 0) {
      this.#inFlight.set(peer, left)
    } else {
      this.#inFlight.delete(peer)
    }
    for (const [key, queue] of this.#queues) {
      if (queue.peer === peer) {
        this.#schedule(key, queue)
      }
    }
  }

  async #deliver(queue: Queue, items: readonly Item[]): Promise<void> {
    const { incarnation, peer, view } = queue
    const { proposer, self, serveSelf } = this.#init
    const batch = {
      view,
      incarnation,
      proposer,
      items: items.map(({ request }) => toWire(request))
    }
    let replies: ReplyBatch
    try {
      replies =
        peer === self
          ? await serveSelf(batch)
          : replyBatch.decode(await this.#call(peer, requestBatch.encode(batch)))
    } catch {
      // Refused, lost or late: to the protocol all of it is no answer, and the caller's deadline holds.
      items.forEach(({ answered }) => answered({ type: 'silent' }))
      return
    }
    if (replies.view > view) {
      items.forEach(({ answered }) => answered({ type: 'fenced', view: replies.view }))
      return
    }
    items.forEach((item, index) => this.#answer(queue, item, replies, index))
  }

  async #call(peer: string, request: Uint8Array): Promise<Uint8Array> {
    const { call, now, timeoutMs } = this.#init
    const givenMs = this.#patienceMs.get(peer) ?? timeoutMs
    const began = now()
    try {
      return await call(peer, request, givenMs)
    } finally {
      // Late, answered or lost: of several that are late together, one counts.
      const neededMs = 2 * (now() - began)
      const patienceMs = Math.min(neededMs, 2 * givenMs, timeoutMs * requestPatience)
      if (patienceMs > timeoutMs) this.#patienceMs.set(peer, patienceMs)
      else this.#patienceMs.delete(peer)
    }
  }

  #answer(
    { incarnation, peer, view }: Queue,
    item: Item,
    replies: ReplyBatch,
    index: number
  ): void {
    const wire = replies.items[index]
    if (wire === undefined) {
      item.answered({ type: 'silent' })
      return
    }
    let reply
    try {
      reply = replyFromWire(wire)
    } catch {
      // As good as no answer.
      item.answered({ type: 'silent' })
      return
    }
    if (reply.type === 'later') {
      this.send({ incarnation, peer, weight: 1 }, view, item.request, item.answered)
    } else {
      item.answered({ type: 'reply', reply, settled: replies.settled })
    }
  }
}

/** As many as one message holds, at least one. */
function take(queue: Queue): readonly Item[] {
  let bytes = 0
  let count = 0
  for (const { request } of queue.items) {
    bytes += sizeOf(request)
    if (count > 0 && (bytes > messageBytesMax || count >= messageItemsMax)) {
      break
    }
    count++
  }
  return queue.items.splice(0, count)
}
