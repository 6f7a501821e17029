import type {
  Clock,
  DivergedField,
  LogSink,
  MergedAgent,
  MergeReport,
  Partition,
  PartitionEvents
} from '@murmuration/interface'
import type { BranchedDocument, DocumentReading, State, StateEvents } from '@murmuration/state'
import { defaults } from './defaults.ts'

export interface MergeReportComponents {
  readonly state: State
  readonly partition: Partition
  readonly clock: Clock
  readonly log: LogSink
}

type Conflict = ReturnType<DocumentReading['document']['conflicts']>[number]

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
  /** What became of agents, by branch and id; the latest branches. */
  readonly #results = new Map<string, Map<string, MergedAgent>>()
  /** Branches that have ended, until their report is made. */
  readonly #open = new Set<string>()
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
    this.#open.add(branch)
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

  /** What became of an agent that this peer owned in a branch; undefined where it changed none there. */
  resultOf(branch: string, id: string): 'pending' | MergedAgent | undefined {
    const result = this.#results.get(branch)?.get(id)
    if (result !== undefined) return result
    const documents = this.#documents.get(branch)
    if (this.#began.has(branch)) return 'pending'
    if (!this.#open.has(branch)) return undefined
    // Until the layers below have left the branch nobody knows what was changed in it.
    return documents === undefined || documents.some(({ record }) => record.id === id)
      ? 'pending'
      : undefined
  }

  #keep(branch: string, agent: MergedAgent): void {
    const known = this.#results.get(branch) ?? new Map<string, MergedAgent>()
    this.#results.set(branch, known.set(agent.id, agent))
    if (this.#results.size <= defaults.mergeReportsKept) return
    const oldest = this.#results.keys().next()
    if (oldest.done !== true) this.#results.delete(oldest.value)
  }

  async #report(ended: Ended): Promise<void> {
    const { partition, log } = this.#components
    const { branch } = ended
    const documents = this.#documents.get(branch) ?? []
    const agents = await this.#mergedAll(branch, byAgent(documents))
    this.#documents.delete(branch)
    this.#open.delete(branch)
    if (this.#isStopped || agents.length === 0) return
    const report: MergeReport = { ...ended, agents }
    const both = agents.filter(({ sides }) => sides === 'both').length
    const conflicts = agents.filter(({ conflicts: found }) => found.length > 0).length
    const durationMs = ended.ended - ended.began
    log(`branch ${ended.branch} is merged`, { agents: agents.length, both, conflicts, durationMs })
    partition.safeDispatchEvent('merged', { detail: report })
  }

  /** A few at a time: a heal has enough to do, and one whose owner cannot answer yet holds up no others. */
  async #mergedAll(
    branch: string,
    documents: readonly BranchedDocument[]
  ): Promise<readonly MergedAgent[]> {
    const agents: MergedAgent[] = []
    const left = documents.values()
    const work = async (): Promise<void> => {
      for (const document of left) {
        const agent = await this.#mergedOf(document)
        agents.push(agent)
        this.#keep(branch, agent)
      }
    }
    await Promise.all(Array.from({ length: defaults.mergedAsksMax }, work))
    return agents
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
          const conflicts = document.conflicts()
          const elsewhere = countBeyond(reading.version, version)
          return {
            id,
            updates,
            elsewhere,
            sides: elsewhere > 0 ? 'both' : 'this',
            conflicts: conflicts.map(({ field }) => field),
            diverged: conflicts.slice(0, defaults.divergedFieldsMax).map(apart(version)),
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
    const nothing = { elsewhere: 0, sides: 'this', conflicts: [], diverged: [] } as const
    return { id, updates, ...nothing, owner, epoch: undefined }
  }
}

/** An owner may have served a document several times in one branch: what it last had has it all. */
function byAgent(documents: readonly BranchedDocument[]): BranchedDocument[] {
  const all = new Map<string, BranchedDocument>()
  for (const document of documents) {
    const updates = document.updates + (all.get(document.record.id)?.updates ?? 0)
    all.set(document.record.id, { ...document, updates })
  }
  return [...all.values()]
}

/** Tells the values that a side has set, by its version, from those of others. */
function apart(version: Readonly<Record<string, number>>): (conflict: Conflict) => DivergedField {
  return ({ field, values, dots }) => {
    const isHere = (_: unknown, at: number): boolean => {
      const { writer = '', counter = 0 } = dots[at] ?? {}
      return counter <= (version[writer] ?? 0)
    }
    return {
      field,
      here: values.filter(isHere),
      there: values.filter((value, at) => !isHere(value, at))
    }
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
