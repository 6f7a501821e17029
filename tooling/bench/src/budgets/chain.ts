/**
 * The least that an update on two disks takes: a raw socket server that writes what comes to a file
 * and syncs it, has a second such server do the same at the same time, and answers when both are
 * done. What comes while a sync is under way shares the next one. Nothing is parsed, signed,
 * encrypted or merged. Arguments: the file, and the port of the second server, if any.
 */
import { open } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { RawClient } from './raw-client.ts'

const [path = '', next = ''] = process.argv.slice(2)
const file = await open(path, 'a')
const second = next === '' ? undefined : await RawClient.connect(Number(next))

let written: Promise<void> | undefined
let chunks: Buffer[] = []

/** Durable when it resolves, together with all that came while the sync before it ran. */
function write(chunk: Buffer): Promise<void> {
  chunks.push(chunk)
  if (written !== undefined && chunks.length > 1) return written
  written = (written ?? Promise.resolve()).then(async () => {
    const batch = chunks
    chunks = []
    await file.appendFile(Buffer.concat(batch))
    await file.datasync()
  })
  return written
}

function serve(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    const copied = second?.send(chunk)
    void Promise.all([write(chunk), copied]).then(() => socket.write(chunk))
  })
}

const server = createServer(serve)
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo // it listens on TCP
process.send?.(port)
process.on('disconnect', () => process.exit(0))
