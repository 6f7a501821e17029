/**
 * One of many peers, each a process of its own. Tells its address, dials those that it is told, and
 * publishes and counts as it is told.
 */
import { multiaddr } from '@multiformats/multiaddr'
import { topicName, topicNumber } from '../src/core/pattern.ts'
import { createNode } from './nodes.ts'

export type Order =
  | { readonly kind: 'dial'; readonly addresses: readonly string[] }
  /** Answered when so many others are known to listen. */
  | { readonly kind: 'meet'; readonly listeners: number }
  | { readonly kind: 'publish'; readonly from: number; readonly count: number }
  | { readonly kind: 'report' }

/** What came, in the order in which it came. */
export type Reply = { readonly address?: string; readonly got?: readonly unknown[] }

const node = await createNode()
const { pubsub, signals } = node.services
const topic = topicName('default', topicNumber('order'))
const got: unknown[] = []
signals.subscribe('order.*', ({ data }) => void got.push(data), { queueMax: 65_536 })

async function obey(order: Order): Promise<Reply> {
  switch (order.kind) {
    case 'dial':
      // One after the other: a burst of dials meets libp2p's own limits.
      for (const address of order.addresses) await node.dial(multiaddr(address))
      return {}
    case 'meet':
      while (pubsub.getSubscribers(topic).length < order.listeners) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return {}
    case 'publish':
      for (let at = 0; at < order.count; at++) {
        await signals.publish({ type: 'order.created', data: `${order.from}/${at}` })
      }
      return {}
    case 'report':
      return { got }
  }
}

process.on('disconnect', () => process.exit(0))
process.on('message', (order: Order) => {
  void obey(order).then((reply) => process.send?.(reply))
})
process.send?.({ address: String(node.getMultiaddrs()[0]) } satisfies Reply)
