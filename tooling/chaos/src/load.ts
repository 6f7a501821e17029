import type { Cluster } from '@murmuration/cluster'
import type { PeerInit } from './protocol.ts'
import type { Recorder } from './recorder.ts'
import { claims } from './workloads/claims.ts'
import { lists } from './workloads/lists.ts'
import { sessions } from './workloads/sessions.ts'
import { sets } from './workloads/sets.ts'
import { signals } from './workloads/signals.ts'
import type { Workload } from './workloads/workload.ts'

/** Steady work on all agents: one loop for each key, so that none hides behind another. */
export class Load {
  readonly #cluster: Cluster
  readonly #init: PeerInit
  readonly #recorder: Recorder
  #run = 0

  constructor(cluster: Cluster, init: PeerInit, recorder: Recorder) {
    this.#cluster = cluster
    this.#init = init
    this.#recorder = recorder
  }

  begin(): void {
    const run = ++this.#run
    const { keys, paceMs } = this.#init
    // No load at all where there is none on sets.
    const all = keys === 0 ? [] : [...sets(keys, paceMs), lists, claims, sessions, signals]
    for (const workload of all) {
      for (let at = 0; at < workload.keys; at++) {
        // Spread over the time of one pace, so that nothing beats in step.
        setTimeout(() => void this.#loop(run, workload, `k${at}`), Math.random() * workload.paceMs)
      }
    }
  }

  rest(): void {
    this.#run++
  }

  async #loop(run: number, { begin, paceMs }: Workload, key: string): Promise<void> {
    const recorder = this.#recorder
    const client = this.#init.index
    const turn = begin({ cluster: this.#cluster, recorder, client, key })
    for (let number = 0; run === this.#run; number++) {
      const begun = recorder.now()
      await turn(number)
      const left = paceMs - (recorder.now() - begun)
      await new Promise((resolve) => setTimeout(resolve, Math.max(5, left)))
    }
  }
}
