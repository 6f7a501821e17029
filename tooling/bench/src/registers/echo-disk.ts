/** An echo server that syncs each message to a file before it answers: what an acceptor cannot do without. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

const file = openSync(process.argv[2] ?? '', 'a')
const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    writeSync(file, chunk)
    fdatasyncSync(file)
    socket.write(chunk)
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo // it listens on TCP
process.send?.(port)
process.on('disconnect', () => {
  closeSync(file)
  process.exit(0)
})
