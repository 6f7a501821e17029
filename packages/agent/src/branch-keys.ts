import type { AgentRecord, VersionVector } from '@murmuration/interface'
import type { Session } from './core/session.ts'
import { defaults } from './defaults.ts'
import type { AgentComponents } from './index.ts'

interface Kept {
  readonly record: AgentRecord
  version: Record<string, number>
  readonly sequences: number[]
}

/**
 * Keys of updates that one side of a split acknowledged by itself. They are not passed before the
 * owner in an agreed view has those updates: until then the other sides do not know them, and would
 * forget, as given up, what they have never seen.
 */
export class BranchKeys {
  readonly #components: AgentComponents
  readonly #session: Session
  readonly #kept = new Map<string, Kept>()
  #cancel: (() => void) | undefined
  #isAsking = false

  constructor(components: AgentComponents, session: Session) {
    this.#components = components
    this.#session = session
  }

  /** Keeps a key of this session that was acknowledged in a branch. */
  keep(record: AgentRecord, sequence: number, version: VersionVector): void {
    const kept = this.#kept.get(record.id) ?? { record, version: {}, sequences: [] }
    this.#kept.set(record.id, kept)
    for (const [writer, count] of Object.entries(version)) {
      kept.version[writer] = Math.max(kept.version[writer] ?? 0, count)
    }
    kept.sequences.push(sequence)
    this.#soon()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#kept.clear()
  }

  #soon(): void {
    this.#cancel ??= this.#components.clock.schedule(defaults.branchKeysMs, () => {
      this.#cancel = undefined
      void this.#ask().finally(() => {
        if (this.#kept.size > 0) this.#soon()
      })
    })
  }

  async #ask(): Promise<void> {
    const { membership } = this.#components
    if (this.#isAsking || membership.view?.branch !== undefined) return
    this.#isAsking = true
    try {
      for (const [id, kept] of this.#kept) {
        // oxlint-disable-next-line no-await-in-loop -- one question at a time is soon enough.
        if (!(await this.#isMerged(kept))) continue
        this.#kept.delete(id)
        for (const sequence of kept.sequences) this.#session.confirm(sequence)
      }
    } finally {
      this.#isAsking = false
    }
  }

  async #isMerged({ record, version }: Kept): Promise<boolean> {
    try {
      const reading = await this.#components.state.read(record)
      const isAgreed = reading.epoch !== undefined && reading.epoch.branch === undefined
      return isAgreed && reading.includes(version)
    } catch {
      // The owner cannot answer now: it is asked again.
      return false
    }
  }
}
