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

  async #call(peer: Cluster, key: string): Promise<void> {
    const agent = peer.agent(station, key)
    while (this.#isCalling) {
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
