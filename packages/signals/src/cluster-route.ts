import { ClusterSender } from './cluster-sender.ts'
import type { ClusterSenderInit } from './cluster-sender.ts'
import type { Dispatcher } from './core/dispatcher.ts'
import { topicName } from './core/pattern.ts'
import type { Gossip } from './gossip.ts'
import type { Intake } from './intake.ts'
import type { Orders } from './orders.ts'
import { Reopening } from './reopening.ts'
import { Topics } from './topics.ts'

export interface ClusterRouteInit extends ClusterSenderInit {
  readonly intake: Intake
  readonly orders: Orders
  readonly dispatcher: Dispatcher
  /** A peer has appeared that listens to something. */
  readonly onPeer: (peer: string) => void
}

/** Signals to and from all who listen: the parts over gossip, and which topics this peer is in. */
export class ClusterRoute {
  readonly sender: ClusterSender
  readonly #gossip: Gossip
  readonly #dispatcher: Dispatcher
  readonly #init: ClusterRouteInit
  readonly #topics: Topics
  readonly #reopening: Reopening
  /** The topics that this peer is in, and since when. */
  readonly #joinedAt = new Map<string, number>()
  #started = false
  #unlisten: (() => void)[] = []

  constructor(init: ClusterRouteInit) {
    const { clock, cluster, gossip } = init
    this.#init = init
    this.#gossip = gossip
    this.#dispatcher = init.dispatcher
    this.sender = new ClusterSender(init)
    this.#reopening = new Reopening(init)
    this.#topics = new Topics({
      clock,
      join: (number) => {
        const topic = topicName(cluster, number)
        const now = clock.now()
        // Throws where gossip does not run; then this peer is not in the topic.
        gossip.subscribe(topic)
        this.#joinedAt.set(topic, now)
      },
      leave: (number) => {
        const topic = topicName(cluster, number)
        // What is missed there from now on is no loss.
        init.orders.topics.pause(topic)
        this.#joinedAt.delete(topic)
        gossip.unsubscribe(topic)
      }
    })
  }

  /** The topics that this peer is in. */
  topics(): readonly string[] {
    return [...this.#joinedAt.keys()]
  }

  /** Since when this peer listens to a topic; undefined where it does not. */
  joinedAt(topic: string): number | undefined {
    return this.#joinedAt.get(topic)
  }

  /** A topic begins or ceases to be needed by subscriptions. */
  want(number: number, wanted: boolean): void {
    if (!this.#started) {
      return
    }
    if (wanted) {
      this.#topics.want(number)
    } else {
      this.#topics.release(number)
    }
  }

  start(): void {
    this.#unlisten = [
      this.#gossip.onMessage((message) => this.#init.intake.judge(message)),
      this.#gossip.onSubscribed((peer, topic) => {
        this.sender.subscribed(peer, topic)
        this.#init.onPeer(peer)
      })
    ]
    for (const number of this.#dispatcher.topics()) {
      this.#topics.want(number)
    }
    this.#reopening.start()
    this.#started = true
  }

  stop(): void {
    this.#started = false
    this.#reopening.stop()
    this.#topics.clear()
    for (const unlisten of this.#unlisten.splice(0)) {
      unlisten()
    }
  }
}
