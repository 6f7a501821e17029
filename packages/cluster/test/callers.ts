import { z } from 'zod'
import { defineAgent } from '@murmuration/agent'
import type { Cluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'

/** Counts what it is told. One of them does not move. */
export const station = defineAgent({
  type: 'station',
  state: { readings: counter() },
  mayMove: (id) => !id.endsWith('/stubborn'),
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.readings.increment(input)
        return state.readings.value
      }
    }
  }
})

/** Calls agents all the time, and counts what came of it. */
export class Callers {
  readonly counts = new Map<string, number>()
  readonly failures: unknown[] = []
  #isCalling = true
  readonly #tasks: Promise<void>[] = []

  start(peers: readonly Cluster[], keys: readonly string[]): void {
    for (const [at, key] of keys.entries()) {
      const peer = peers[at % peers.length]
      if (peer !== undefined) this.#tasks.push(this.#call(peer, key))
    }
  }

  /** So many callers, each of which goes around its part of the agents: what a busy machine can do. */
  startFew(peers: readonly Cluster[], keys: readonly string[], count: number): void {
    for (let at = 0; at < count; at++) {
      const peer = peers[at % peers.length]
      const own = keys.filter((_, index) => index % count === at)
      if (peer !== undefined) this.#tasks.push(this.#call(peer, ...own))
    }
  }

  async #call(peer: Cluster, ...keys: readonly string[]): Promise<void> {
    let turn = 0
    while (this.#isCalling) {
      const key = keys[turn++ % keys.length] ?? ''
      const agent = peer.agent(station, key)
      try {
        await agent.call('add', 1)
        this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
      } catch (error) {
        this.failures.push(error)
      }
      await wait(20)
    }
  }

  async stop(): Promise<void> {
    this.#isCalling = false
    await Promise.all(this.#tasks)
  }
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(10)
}

export async function wait(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
