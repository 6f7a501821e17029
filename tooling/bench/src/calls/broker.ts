import { ServiceBroker } from 'moleculer'

/** A Moleculer broker on its TCP transporter, which finds the other one at a fixed port. */
export function createBroker(
  nodeID: string,
  port: number,
  others: Readonly<Record<string, number>>
): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    logger: false,
    transporter: {
      type: 'TCP',
      options: {
        port,
        udpDiscovery: false,
        useHostname: false,
        urls: Object.entries(others)
          .map(([id, at]) => `tcp://127.0.0.1:${at}/${id}`)
          .join(',')
      }
    }
  })
}
