import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** Sends bytes over a raw socket; the other side answers in order with as many. */
export class RawClient {
  readonly #socket: Socket
  readonly #waiting: { missing: number; readonly done: () => void }[] = []

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    return new RawClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#receive(chunk.length))
  }

  /** Resolves when all of it was answered. */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push({ missing: bytes.length, done })
      this.#socket.write(bytes)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(length: number): void {
    let left = length
    while (left > 0 && this.#waiting[0] !== undefined) {
      const taken = Math.min(left, this.#waiting[0].missing)
      left -= taken
      this.#waiting[0].missing -= taken
      if (this.#waiting[0].missing === 0) this.#waiting.shift()?.done()
    }
  }
}
