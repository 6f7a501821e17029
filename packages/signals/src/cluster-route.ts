import type { Clock, Random } from '@murmuration/interface'
import type { BatchSeal } from './batches.ts'
import { ClusterReceiver } from './cluster-receiver.ts'
import { ClusterSender } from './cluster-sender.ts'
import type { SignalsComponents } from './components.ts'
import type { Dispatcher } from './core/dispatcher.ts'
import { topicName } from './core/pattern.ts'
import type { Counters } from './counters.ts'
import type { Gossip } from './gossip.ts'
import { Reconnects } from './reconnects.ts'
import { Topics } from './topics.ts'

export interface ClusterRouteInit {
  readonly self: string
  readonly cluster: string
  readonly gossip: Gossip
  readonly seal: BatchSeal
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly defer: (task: () => void) => void
  readonly report: (what: string, error: unknown) => void
  readonly stopped: () => AbortSignal
  readonly reconnect: SignalsComponents['reconnect']
}

/** Signals to and from all who listen: the parts over gossip, and which topics this peer is in. */
export class ClusterRoute {
  readonly sender: ClusterSender
  readonly #gossip: Gossip
  readonly #dispatcher: Dispatcher
  readonly #receiver: ClusterReceiver
  readonly #topics: Topics
  readonly #reconnects: Reconnects | undefined
  #started = false
  #unlisten: (() => void)[] = []

  constructor(init: ClusterRouteInit) {
    const { clock, cluster, gossip, reconnect } = init
    this.#gossip = gossip
    this.#dispatcher = init.dispatcher
    this.sender = new ClusterSender(init)
    this.#receiver = new ClusterReceiver(init)
    this.#reconnects = reconnect && new Reconnects({ ...init, reconnect })
    this.#topics = new Topics({
      clock,
      join: (number) => gossip.subscribe(topicName(cluster, number)),
      leave: (number) => {
        const topic = topicName(cluster, number)
        this.#receiver.left(topic)
        gossip.unsubscribe(topic)
      }
    })
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
      this.#gossip.onMessage((message) => this.#receiver.judge(message)),
      this.#gossip.onSubscribed((peer, topic) => this.sender.subscribed(peer, topic))
    ]
    for (const number of this.#dispatcher.topics()) {
      this.#topics.want(number)
    }
    this.#reconnects?.start()
    this.#started = true
  }

  stop(): void {
    this.#started = false
    this.#reconnects?.stop()
    this.#topics.clear()
    this.#receiver.stop()
    for (const unlisten of this.#unlisten.splice(0)) {
      unlisten()
    }
  }
}
