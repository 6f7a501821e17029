import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'

/** A pipe to one address that counts what goes through. */
export interface MeteredRelay {
  /** What to dial instead. */
  readonly address: string
  toDevice(): number
  fromDevice(): number
  close(): void
}

/** Opens a pipe on loopback to a multiaddr of the form `/ip4/…/tcp/…/p2p/…`. */
export async function meteredRelay(target: string): Promise<MeteredRelay> {
  const [, , host = '', , port = '', , peer = ''] = target.split('/')
  let [inward, outward] = [0, 0]
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), host)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (data) => (outward += data.length))
    far.on('data', (data) => (inward += data.length))
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A server that listens on an address has one.
  const address = server.address() as AddressInfo
  return {
    address: `/ip4/127.0.0.1/tcp/${address.port}/p2p/${peer}`,
    toDevice: () => inward,
    fromDevice: () => outward,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}
