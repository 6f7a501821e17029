/** A raw echo server in a process of its own: its answers wait for the machine and for nothing else. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo // it listens on TCP
process.send?.(port)
process.on('disconnect', () => process.exit(0))
