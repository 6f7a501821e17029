import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** What the bench asks of a peer process. */
export type Command =
  | { readonly kind: 'cpu' }
  | { readonly kind: 'stop' }
  /** Claims those of so many agents that belong to the asked peer; `prefix` makes them new. */
  | {
      readonly kind: 'claims'
      readonly prefix: string
      readonly count: number
      readonly width: number
    }
  /** Finds agents that others have claimed: once each, and one of them again and again. */
  | { readonly kind: 'finds'; readonly prefix: string; readonly count: number }
  /** Waits until so many members are in one settled view, then uses an agent that `owner` owns. */
  | { readonly kind: 'use'; readonly owner: string; readonly members: number }
  /** Calls that agent until it answers; `p50` is how long that took. */
  | { readonly kind: 'answered' }
  | {
      readonly kind: 'load'
      readonly operation: string
      readonly perSecond: number
      readonly seconds: number
    }

/** What it answers: microseconds of CPU so far, or what came of a load. */
export interface Answer {
  readonly cpuUs: number
  readonly done: number
  readonly failed: number
  /** Milliseconds. */
  readonly p50: number
  /** Milliseconds. */
  readonly p95: number
  /** Of the finds: from the cache, per second. */
  readonly cachedPerSecond?: number
}

/** Serves commands, one line of JSON each, one after the other; gives the port. */
export async function serveCommands(serve: (command: Command) => Promise<Answer>): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    createInterface({ input: socket }).on('line', (line) => {
      void serve(JSON.parse(line) as Command) // written by `Remote` below
        .then((answer) => socket.write(`${JSON.stringify(answer)}\n`))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port // it listens on TCP
}

/** The other end. */
export class Remote {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#lines = createInterface({ input: this.#socket })[Symbol.asyncIterator]()
  }

  async ask(command: Command): Promise<Answer> {
    this.#socket.write(`${JSON.stringify(command)}\n`)
    const { value } = await this.#lines.next()
    return JSON.parse(String(value)) as Answer // written by `serveCommands`
  }

  /** Ends the process at the other end. */
  stop(): void {
    const command: Command = { kind: 'stop' }
    this.#socket.end(`${JSON.stringify(command)}\n`)
  }
}
