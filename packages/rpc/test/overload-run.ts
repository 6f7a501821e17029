import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { startNode } from './mesh-nodes.ts'
import type { Node } from './mesh-nodes.ts'

/** What came of offering work at one rate. */
export interface Offered {
  readonly perSecond: number
  /** Answers within the deadline, per second. */
  readonly goodput: number
  readonly shed: number
  readonly late: number
  readonly p95Ms: number
  readonly rssMb: number
}

/** A client here and a server in a process of its own. */
export class OverloadRun implements AsyncDisposable {
  readonly #client: Node
  readonly #server: ChildProcess
  readonly #peer: string

  private constructor(client: Node, server: ChildProcess, peer: string) {
    this.#client = client
    this.#server = server
    this.#peer = peer
  }

  static async start(): Promise<OverloadRun> {
    const script = fileURLToPath(new URL('overload-server.ts', import.meta.url))
    const server = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [addresses] = await once(server, 'message')
    const client = await startNode()
    // What the process beside this file has sent.
    const connection = await client.libp2p.dial(
      (addresses as string[]).map((one) => multiaddr(one))
    )
    return new OverloadRun(client, server, connection.remotePeer.toString())
  }

  /** Answers per second while sixteen callers ask one after the other. */
  async peak(method: string, seconds: number): Promise<number> {
    const until = performance.now() + seconds * 1_000
    let answers = 0
    const caller = async (): Promise<void> => {
      while (performance.now() < until) {
        await this.#client.rpc.call(this.#peer, method, new Uint8Array(200), { timeoutMs: 5_000 })
        answers++
      }
    }
    await Promise.all(Array.from({ length: method === 'elsewhere' ? 100 : 16 }, caller))
    return Math.round(answers / seconds)
  }

  /** Offers calls at a steady rate, whatever comes of them. */
  async offer(method: string, perSecond: number, seconds: number): Promise<Offered> {
    const request = new Uint8Array(200)
    const latencies: number[] = []
    const counts = { shed: 0, late: 0 }
    const pending = new Set<Promise<void>>()
    const began = performance.now()
    let sent = 0
    while (performance.now() - began < seconds * 1_000) {
      const due = Math.floor(((performance.now() - began) / 1_000) * perSecond)
      for (; sent < due; sent++) {
        const from = performance.now()
        const call = this.#client.rpc
          .call(this.#peer, method, request, { timeoutMs: 500 })
          .then(() => void latencies.push(performance.now() - from))
          .catch((error: Error) => {
            if (error.name === 'OverloadedError') counts.shed++
            else counts.late++
          })
          .finally(() => pending.delete(call))
        pending.add(call)
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const elapsed = (performance.now() - began) / 1_000
    const inTime = latencies.length
    await Promise.all(pending)
    const reported = once(this.#server, 'message')
    this.#server.send('report')
    const [{ rss }] = (await reported) as [{ rss: number }]
    const sorted = latencies.toSorted((a, b) => a - b)
    return {
      perSecond,
      goodput: Math.round(inTime / elapsed),
      ...counts,
      p95Ms: Math.round(sorted[Math.floor(sorted.length * 0.95)] ?? 0),
      rssMb: Math.round(rss / 1_048_576)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.libp2p.stop()
    const exited = once(this.#server, 'exit')
    this.#server.kill('SIGKILL')
    await exited
  }
}
