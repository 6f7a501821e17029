import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { dialThrough, startNode } from '../../rpc/test/mesh-nodes.ts'
import type { CopyProgress } from '../src/contract.ts'
import { encodeState } from '../src/core/messages.ts'
import { startState } from './repair-nodes.ts'

interface Source {
  readonly address: string
  readonly peer: string
  readonly ids: readonly string[]
}

const ended: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end()
})

/** A link that is cut each time so many bytes of the source have passed. */
class Link {
  readonly #sockets = new Set<Socket>()
  readonly #port: number
  readonly server: Server
  #cuts: readonly number[] = []
  onCut: () => void = () => {}
  /** Bytes of the source that passed. */
  bytes = 0
  cuts = 0

  constructor(port: number) {
    this.#port = port
    this.server = createServer((socket) => this.#join(socket))
  }

  /** From now on. */
  cutAfter(...bytes: readonly number[]): void {
    this.bytes = 0
    this.#cuts = bytes
  }

  #join(near: Socket): void {
    const far = connect(this.#port, '127.0.0.1')
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      // What follows a cut.
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far)
    far.on('data', (data) => {
      this.bytes += data.length
      if (this.bytes > (this.#cuts[this.cuts] ?? Infinity)) {
        this.cuts++
        this.#sockets.forEach((socket) => socket.destroy())
        this.#sockets.clear()
        this.onCut()
      } else if (!near.write(data)) {
        far.pause()
        near.once('drain', () => far.resume())
      }
    })
  }
}

async function startSource(): Promise<{ child: ChildProcess; source: Source }> {
  const child = fork(fileURLToPath(new URL('repair-process.ts', import.meta.url)))
  ended.push(() => child.disconnect())
  // What `repair-process.ts` sends.
  const [source] = (await once(child, 'message')) as [Source]
  return { child, source }
}

async function startLink({ address }: Source): Promise<{ link: Link; port: number }> {
  const link = new Link(Number(/\/tcp\/(\d+)/.exec(address)?.[1]))
  link.server.listen(0, '127.0.0.1')
  await once(link.server, 'listening')
  ended.push(() => link.server.close())
  // Of a server that listens on TCP.
  return { link, port: (link.server.address() as AddressInfo).port }
}

test('copies of another process come through a link that is cut, and nothing received comes twice', async () => {
  const { source } = await startSource()
  const { link, port } = await startLink(source)
  const node = await startNode({ dials: port })
  ended.push(() => node.libp2p.stop())
  await dialThrough(node, source.peer, port)
  // The source tells its own address to whoever connects.
  link.onCut = () => void dialThrough(node, source.peer, port)
  const { state } = await startState(node.rpc)
  ended.push(() => state.stop())
  const told: CopyProgress[] = []
  state.addEventListener('copying', ({ detail }) => void told.push(detail))
  // Among the small documents, and twice within the large one, which comes last.
  link.cutAfter(1_000_000, 1_900_000, 2_800_000)
  await state.prepare(node.peer, source.peer, source.ids)
  const sizes = source.ids.map((id) => encodeState(state.held(id)!.copy.state()).length)
  const size = sizes.reduce((sum, one) => sum + one, 0)
  const last = told.at(-1)!
  expect(link.cuts).toBe(3)
  expect(last).toMatchObject({ status: 'ended', resumes: 3 })
  expect(last.documents).toBe(last.of)
  expect(state.stats()).toMatchObject({ documents: source.ids.length, copying: 0 })
  console.log(`${size} bytes of copies, ${last.bytes} received in items, ${link.bytes} on the wire`)
  // One pass, with a few bytes for each item, whatever was cut.
  expect(last.bytes).toBeLessThan(size * 1.01)
  // Lost in each cut: what was on its way, as much as the credit of the stream allows.
  expect(link.bytes).toBeLessThan(size * 1.05 + 3 * 600_000)
})
