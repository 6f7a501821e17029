import type {
  Clock,
  LogSink,
  MergedAgent,
  MergeReport,
  Partition,
  PartitionEvents
} from '@murmuration/interface'
import type { BranchedDocument, State, StateEvents } from '@murmuration/state'
import { defaults } from './defaults.ts'

export interface MergeReportComponents {
  readonly state: State
  readonly partition: Partition
  readonly clock: Clock
  readonly log: LogSink
}

interface Ended {
  readonly branch: string
  readonly members: readonly string[]
  readonly began: number
  readonly ended: number
}

/**
 * Tells what became of the agents that this peer owned for its side of a split, when that side no
 * longer goes on by itself and what it did is with the owners in an agreed view.
 */
export class MergeReports {
  readonly #components: MergeReportComponents
  readonly #documents = new Map<string, BranchedDocument[]>()
  readonly #began = new Map<string, number>()
  #isStopped = false

  readonly #onBranched = ({ detail }: StateEvents['branched']): void => {
    const known = this.#documents.get(detail.branch) ?? []
    this.#documents.set(detail.branch, known)
    if (known.length < defaults.mergedAgentsMax) known.push(detail)
  }

  readonly #onBranch = ({ detail }: PartitionEvents['branch']): void => {
    const { clock } = this.#components
    const { branch, members, status } = detail
    if (status === 'begun') {
      this.#began.set(branch, clock.now())
      return
    }
    const began = this.#began.get(branch) ?? clock.now()
    this.#began.delete(branch)
    // Its documents are told of when the layers below have left the branch too.
    clock.schedule(0, () => void this.#report({ branch, members, began, ended: clock.now() }))
  }

  constructor(components: MergeReportComponents) {
    this.#components = components
  }

  start(): void {
    const { state, partition } = this.#components
    state.addEventListener('branched', this.#onBranched)
    partition.addEventListener('branch', this.#onBranch)
  }

  stop(): void {
    this.#isStopped = true
    const { state, partition } = this.#components
    state.removeEventListener('branched', this.#onBranched)
    partition.removeEventListener('branch', this.#onBranch)
  }

  async #report(ended: Ended): Promise<void> {
    const { partition, log } = this.#components
    const documents = this.#documents.get(ended.branch) ?? []
    this.#documents.delete(ended.branch)
    if (documents.length === 0) return
    const agents: MergedAgent[] = []
    // One after the other: a heal has enough to do.
    for (const document of documents) agents.push(await this.#mergedOf(document))
    if (this.#isStopped) return
    const report: MergeReport = { ...ended, agents }
    const both = agents.filter(({ sides }) => sides === 'both').length
    const conflicts = agents.filter(({ conflicts: found }) => found.length > 0).length
    const durationMs = ended.ended - ended.began
    log(`branch ${ended.branch} is merged`, { agents: agents.length, both, conflicts, durationMs })
    partition.safeDispatchEvent('merged', { detail: report })
  }

  /** Asks until the owner in an agreed view has what the branch made of the document. */
  async #mergedOf({ record, updates, version }: BranchedDocument): Promise<MergedAgent> {
    const { state, clock } = this.#components
    const { id } = record
    const late = clock.monotonic() + defaults.mergedTimeoutMs
    while (!this.#isStopped && clock.monotonic() < late) {
      try {
        const reading = await state.read(record)
        const { epoch, document } = reading
        const isAgreed = epoch !== undefined && epoch.branch === undefined
        if (isAgreed && reading.includes(version)) {
          const elsewhere = countBeyond(reading.version, version)
          return {
            id,
            updates,
            elsewhere,
            sides: elsewhere > 0 ? 'both' : 'this',
            conflicts: document.conflicts().map(({ field }) => field),
            owner: state.placement()?.ownerOf(record)?.peer,
            epoch
          }
        }
      } catch {
        // The owner cannot answer yet: it is asked again, until it is too late.
      }
      await new Promise<void>((resolve) => clock.schedule(defaults.mergedAskMs, resolve))
    }
    const owner = state.placement()?.ownerOf(record)?.peer
    return { id, updates, elsewhere: 0, sides: 'this', conflicts: [], owner, epoch: undefined }
  }
}

/** Updates in one version that another one has not. */
function countBeyond(
  version: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>
): number {
  return Object.entries(version).reduce(
    (sum, [writer, count]) => sum + Math.max(0, count - (other[writer] ?? 0)),
    0
  )
}
