import { TopicValidatorResult } from '@libp2p/gossipsub'
import type { GossipSub, Message, SubscriptionChangeData } from '@libp2p/gossipsub'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { Clock } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { Backpressure } from './backpressure.ts'
import { GossipStreams } from './gossip-streams.ts'
import type { Gossip, GossipMessage, Verdict } from './gossip.ts'

const verdicts: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  // It is only not sent on; gossipsub holds that against nobody.
  keep: TopicValidatorResult.Ignore,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject
}

/** What {@link gossipsubGossip} needs. */
export interface GossipsubGossipInit {
  readonly pubsub: GossipSub
  /** Open connections to a peer, as `libp2p.getConnections(peer)` gives them. */
  readonly connections: (peer?: PeerId) => readonly Connection[]
  /** @default the real time */
  readonly clock?: Clock
}

/**
 * {@link Gossip} over `@libp2p/gossipsub`. Throws `InvalidParametersError` at `subscribe` where the
 * options of that gossipsub do not allow the topic, since it would drop everything silently.
 */
export function gossipsubGossip(init: GossipsubGossipInit): Gossip {
  const { clock = systemClock, pubsub } = init
  const backpressure = new Backpressure(clock)
  const streams = new GossipStreams({ ...init, clock })
  let judge: ((message: GossipMessage) => Promise<Verdict>) | undefined
  const validate = async (from: PeerId, message: Message): Promise<TopicValidatorResult> => {
    const verdict = await judge?.({
      topic: message.topic,
      bytes: message.data,
      from: from.toString()
    })
    return verdicts[verdict ?? 'ignore']
  }
  const direct = floods(pubsub)
  const reaches = (topic: string): readonly string[] =>
    texts(pubsub.getSubscribers(topic).filter((peer) => streams.to(peer).length > 0))
  return {
    direct,
    ...(direct ? { reaches } : {}),
    publish: async (topic, bytes) => {
      const { recipients } = await pubsub.publish(topic, bytes)
      const used = recipients.map((peer) => streams.to(peer))
      await backpressure.room(used.flat())
      // Gossipsub also counts what it wrote to a stream whose connection is closing: that is lost.
      return texts(recipients.filter((_, at) => used[at]?.some(isOpen) === true))
    },
    subscribe: (topic) => {
      checkAllowed(pubsub, topic)
      pubsub.topicValidators.set(topic, validate)
      pubsub.subscribe(topic)
    },
    unsubscribe: (topic) => {
      pubsub.topicValidators.delete(topic)
      // Once gossipsub has stopped it is in no topic any more, and throws.
      if (pubsub.getTopics().includes(topic)) {
        pubsub.unsubscribe(topic)
      }
    },
    subscribers: (topic) => texts(pubsub.getSubscribers(topic)),
    onMessage: (handler) => {
      judge = handler
      return () => {
        judge = undefined
      }
    },
    onSubscribed: (listener) => {
      const forward = ({ detail }: CustomEvent<SubscriptionChangeData>): void => {
        for (const { topic, subscribe } of detail.subscriptions) {
          if (subscribe) {
            listener(detail.peerId.toString(), topic)
          }
        }
      }
      pubsub.addEventListener('subscription-change', forward)
      return () => pubsub.removeEventListener('subscription-change', forward)
    },
    peers: () => texts(pubsub.getPeers()),
    mend: () => streams.mend()
  }
}

/** Whether authors send to all subscribers that they know. */
function floods(pubsub: GossipSub): boolean {
  // Not part of its interface; it is on by default.
  const opts: unknown = 'opts' in pubsub ? pubsub.opts : undefined
  return (
    !(typeof opts === 'object' && opts !== null && 'floodPublish' in opts) ||
    opts.floodPublish !== false
  )
}

function isOpen({ status }: Stream): boolean {
  return status === 'open'
}

function texts(peers: readonly PeerId[]): string[] {
  return peers.map((peer) => peer.toString())
}

function checkAllowed(pubsub: GossipSub, topic: string): void {
  // Not part of its interface, but a topic that is not in this set loses all messages unseen.
  const allowed: unknown = 'allowedTopics' in pubsub ? pubsub.allowedTopics : undefined
  if (allowed instanceof Set && !allowed.has(topic)) {
    throw new InvalidParametersError(
      `gossipsub does not allow topic ${topic}: give gossipOptions({ cluster }) the same cluster`
    )
  }
}
