import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import type { AddressInfo, Server } from 'node:net'

/** How one direction between two peers treats what is sent. */
export interface LinkConditions {
  /** Nothing passes; what is sent waits in the buffers of both ends, as behind a broken cable. */
  readonly isCut?: boolean
  /** Milliseconds on the way. @default 0 */
  readonly delayMs?: number
  /** What passes in a second; the rest waits, and then the sender does. @default no limit */
  readonly bytesPerSecond?: number
}

/** Bytes of a narrow link that are taken from their sender before they have passed. */
const WAITING_BYTES_MAX = 65_536

/** Where a peer listens, and what it tells others. */
export interface LoopbackPlace {
  readonly listen: string
  readonly announce: string
  /** What its connections to others must come from: see {@link dialFrom}. */
  readonly from: string
}

/**
 * Links between processes of one machine that can be cut and slowed, each direction by itself, without
 * any privilege. Every peer has three addresses of loopback: where it listens, where the others think
 * that it listens (a proxy here), and where it dials from, by which the proxy knows who dials.
 *
 * Not a real network: a cut link still takes connections, which then stay silent, and nothing is ever
 * lost or reordered within one.
 */
export class LoopbackLinks {
  readonly #places = new Map<number, { readonly server: Server; port: number; isUp: boolean }>()
  readonly #conditions = new Map<string, LinkConditions>()
  readonly #flows = new Set<Flow>()

  /** The addresses of a peer, 1 to 200; its proxy listens from now on. */
  async open(index: number): Promise<LoopbackPlace> {
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(index, socket))
    server.listen(0, `127.0.71.${index}`)
    await once(server, 'listening')
    // The address of a server that listens on a port.
    const { port } = server.address() as AddressInfo
    this.#places.set(index, { server, port, isUp: true })
    return {
      listen: `/ip4/127.0.72.${index}/tcp/${port}`,
      announce: `/ip4/127.0.71.${index}/tcp/${port}`,
      from: `127.0.73.${index}`
    }
  }

  /** While a process is down its port is closed, as it would be without a proxy. */
  async setUp(index: number, isUp: boolean): Promise<void> {
    const place = this.#places.get(index)
    if (place === undefined || place.isUp === isUp) return
    place.isUp = isUp
    if (isUp) {
      place.server.listen(place.port, `127.0.71.${index}`)
      await once(place.server, 'listening')
      return
    }
    place.server.close()
    for (const flow of this.#flows) if (flow.touches(index)) flow.end()
  }

  /** Changes one direction from now on. */
  set(from: number, to: number, conditions: LinkConditions): void {
    this.#conditions.set(`${from}>${to}`, conditions)
    for (const flow of this.#flows) flow.wake()
  }

  /** Cuts both directions between all peers of different sides; those that no side names stay. */
  split(sides: readonly (readonly number[])[]): void {
    for (const [at, side] of sides.entries()) {
      for (const other of sides.slice(at + 1)) {
        for (const a of side) {
          for (const b of other) {
            this.set(a, b, { isCut: true })
            this.set(b, a, { isCut: true })
          }
        }
      }
    }
  }

  /** Ends all cuts, delays and limits. */
  heal(): void {
    this.#conditions.clear()
    for (const flow of this.#flows) flow.wake()
  }

  close(): void {
    for (const { server } of this.#places.values()) server.close()
    for (const flow of this.#flows) flow.end()
  }

  #of(from: number, to: number): LinkConditions {
    return this.#conditions.get(`${from}>${to}`) ?? {}
  }

  #accept(to: number, socket: Socket): void {
    const from = Number(/^127\.0\.73\.(\d+)$/.exec(socket.remoteAddress ?? '')?.[1] ?? 0)
    const port = this.#places.get(to)?.port ?? 0
    const target = connect({ host: `127.0.72.${to}`, port })
    target.pause()
    const there = new Flow(socket, target, [from, to], () => this.#of(from, to))
    const back = new Flow(target, socket, [from, to], () => this.#of(to, from))
    for (const flow of [there, back]) {
      this.#flows.add(flow)
      flow.wake()
    }
    const end = (): void => {
      for (const flow of [there, back]) {
        flow.end()
        this.#flows.delete(flow)
      }
    }
    for (const each of [socket, target]) each.on('close', end).on('error', end)
  }
}

/** One direction of one connection. */
class Flow {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #ends: readonly number[]
  readonly #conditions: () => LinkConditions
  /** What is on its way, in order. */
  readonly #waiting: { readonly chunk: Buffer; readonly dueMs: number }[] = []
  #waitingBytes = 0
  /** When a narrow link has passed on all that it was given. */
  #freeMs = 0
  #timer: NodeJS.Timeout | undefined
  #isEnded = false

  constructor(
    source: Socket,
    sink: Socket,
    ends: readonly number[],
    conditions: () => LinkConditions
  ) {
    this.#source = source
    this.#sink = sink
    this.#ends = ends
    this.#conditions = conditions
    source.on('data', (chunk: Buffer) => {
      const { delayMs = 0, bytesPerSecond = Infinity } = this.#conditions()
      const now = performance.now()
      this.#freeMs = Math.max(now, this.#freeMs) + (chunk.length * 1_000) / bytesPerSecond
      this.#waiting.push({ chunk, dueMs: this.#freeMs + delayMs })
      this.#waitingBytes += chunk.length
      this.wake()
    })
    sink.on('drain', () => this.wake())
  }

  touches(index: number): boolean {
    return this.#ends.includes(index)
  }

  /** Passes on what is due, and reads more unless the link is cut or the other end is slow. */
  wake(): void {
    if (this.#isEnded) return
    if (this.#conditions().isCut === true) {
      this.#source.pause()
      return
    }
    let isFull = this.#sink.writableNeedDrain
    const isNarrow = this.#conditions().bytesPerSecond !== undefined
    while (!isFull) {
      const next = this.#waiting[0]
      if (next === undefined) break
      const leftMs = next.dueMs - performance.now()
      if (leftMs > 0.2) {
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.wake(), leftMs)
        break
      }
      this.#waiting.shift()
      this.#waitingBytes -= next.chunk.length
      isFull = !this.#sink.write(next.chunk)
    }
    if (isFull || (isNarrow && this.#waitingBytes > WAITING_BYTES_MAX)) this.#source.pause()
    else this.#source.resume()
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#source.destroy()
    this.#sink.destroy()
  }
}

type Connect = (this: Socket, ...args: unknown[]) => Socket

/**
 * Lets all TCP connections of this process to loopback come from one address of loopback, so that
 * {@link LoopbackLinks} knows whose they are. For the process of a test, before it connects.
 */
export function dialFrom(localAddress: string): void {
  // The signature of Socket.connect has many forms; only the one with options is changed.
  // oxlint-disable-next-line typescript/unbound-method -- called with its socket below
  const original = Socket.prototype.connect as Connect
  const patched: Connect = function connectFrom(...args) {
    const [first] = args
    // `net.connect` hands over an array that it has made of its arguments.
    const options: unknown = Array.isArray(first) ? first[0] : first
    if (typeof options === 'object' && options !== null && 'port' in options) {
      Object.assign(options, { localAddress })
    }
    return original.apply(this, args)
  }
  Socket.prototype.connect = patched
}
