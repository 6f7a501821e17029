import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { spawn } from 'node:child_process'
import { LoopbackLinks } from '@murmuration/testkit'
import type { LinkConditions } from '@murmuration/testkit'

/** Where a peer listens and what it announces, on one of the two networks. */
export interface Place {
  readonly listen: string
  readonly announce: string | undefined
  readonly from: string | undefined
}

/** The network under the peers, whose links can be broken. */
export interface Network {
  readonly name: 'namespaces' | 'proxies'
  place(index: number): Promise<Place>
  /** Starts a process where the peer lives. */
  spawn(
    index: number,
    command: string,
    args: readonly string[],
    options: SpawnOptions
  ): ChildProcess
  /** Tells that the process of a peer is up or down. */
  setUp(index: number, isUp: boolean): Promise<void>
  cut(from: number, to: number): Promise<void>
  /** Share of packets that every peer loses, 0 to 1. Only namespaces lose packets. */
  lose?(share: number): Promise<void>
  /** Milliseconds one way between all peers. Only proxies delay. */
  delay?(ms: number): Promise<void>
  /** Bytes per second that pass from each peer to each other one. */
  narrow(bytesPerSecond: number): Promise<void>
  heal(): Promise<void>
  close(): Promise<void>
}

/** Both directions between all members of different sides. */
export async function split(
  network: Network,
  sides: readonly (readonly number[])[]
): Promise<void> {
  for (const [at, side] of sides.entries()) {
    for (const other of sides.slice(at + 1)) {
      for (const a of side) {
        for (const b of other) {
          await network.cut(a, b)
          await network.cut(b, a)
        }
      }
    }
  }
}

/** Processes on loopback, with a proxy in every link: for machines where namespaces are not allowed. */
export class ProxyNetwork implements Network {
  readonly name = 'proxies'
  readonly #links = new LoopbackLinks()
  readonly #placed = new Set<number>()

  async place(index: number): Promise<Place> {
    this.#placed.add(index)
    return this.#links.open(index)
  }

  spawn(_: number, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn(command, args, options)
  }

  async setUp(index: number, isUp: boolean): Promise<void> {
    await this.#links.setUp(index, isUp)
  }

  async cut(from: number, to: number): Promise<void> {
    this.#links.set(from, to, { isCut: true })
  }

  async delay(ms: number): Promise<void> {
    this.#setAll({ delayMs: ms })
  }

  async narrow(bytesPerSecond: number): Promise<void> {
    this.#setAll({ bytesPerSecond })
  }

  #setAll(conditions: LinkConditions): void {
    for (const from of this.#placed) {
      for (const to of this.#placed) if (from !== to) this.#links.set(from, to, conditions)
    }
  }

  async heal(): Promise<void> {
    this.#links.heal()
  }

  async close(): Promise<void> {
    this.#links.close()
  }
}
