import type { FromPeer, PeerStatus } from './protocol.ts'

/** Signals remembered so that each is told once. */
const SIGNALS_KEPT = 1_000
/** Reports of merges that are shown: some splits of a mesh of twenty peers. */
export const MERGES_KEPT = 100

export type Merge = Extract<FromPeer, { kind: 'merged' }>

/** Makes lines for people of what the peers tell. */
export class Chronicle {
  readonly #note: (text: string) => void
  readonly #signals = new Set<string>()
  /** What became of what peers did for their side of a split, the latest last. */
  readonly merges: Merge[] = []

  constructor(note: (text: string) => void) {
    this.#note = note
  }

  standing(index: number, before: string, { standing }: PeerStatus): void {
    if (before === standing) return
    const what: Record<string, string> = {
      whole: 'reaches every member again',
      majority: 'misses members, and goes on: its side can decide',
      minority: 'is cut off from the majority'
    }
    this.#note(`peer ${index} ${what[standing] ?? standing}`)
  }

  verdict(index: number, before: string, { verdict }: PeerStatus): void {
    if (before === verdict) return
    this.#note(`peer ${index} ${verdict === 'pause' ? 'pauses' : 'goes on'}`)
  }

  /** Every peer tells of a signal; it is one. */
  signal({ id, type, subject }: Extract<FromPeer, { kind: 'signal' }>): void {
    if (this.#signals.has(id)) return
    this.#signals.add(id)
    if (this.#signals.size > SIGNALS_KEPT) {
      const [oldest] = this.#signals
      if (oldest !== undefined) this.#signals.delete(oldest)
    }
    this.#note(`signal ${type} ${subject}`)
  }

  merged(merge: Merge): void {
    this.merges.push(merge)
    if (this.merges.length > MERGES_KEPT) this.merges.shift()
    const { index, agents, both, conflicts, durationMs } = merge
    this.#note(
      `peer ${index} went on by itself for ${(durationMs / 1_000).toFixed(1)} s: ${agents} agents are ` +
        `merged, ${both} of them changed on both sides, ${conflicts} with values to choose from`
    )
  }
}
