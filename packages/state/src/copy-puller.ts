import { MalformedMessageError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import { pipe } from 'it-pipe'
import { jittered, pause } from './context.ts'
import type { Context } from './context.ts'
import type { CopyProgress } from './contract.ts'
import { Assemblies, Assembly } from './core/assembly.ts'
import { copiesItem, copiesRequest } from './core/copy-messages.ts'
import type { CopiesItem, Piece } from './core/copy-messages.ts'
import { assemblyMs, copiesMax, documentBytesMax, resumesMax, retryMs } from './defaults.ts'
import { progressing } from './streams.ts'
import type { Joined } from './transfer.ts'

/** What became of the next documents that were asked for: nothing where the source has none. */
export type Pulled = readonly { readonly id: string; readonly joined: Joined | undefined }[]

export interface PullOptions {
  readonly signal: AbortSignal
  /** Joins states into the copies here. */
  readonly merge: (states: readonly Uint8Array[], check?: (record: AgentRecord) => void) => Joined[]
  /** Throws where a record must not come from this source. */
  readonly check?: (record: AgentRecord) => void
  /** Resolves when they are on disk: only then the cursor moves on. */
  readonly write: (joined: readonly Joined[]) => Promise<void>
}

/** One pull, as it is told to others. */
interface Pull extends PullOptions {
  readonly peer: string
  readonly of: number
  documents: number
  bytes: number
  resumes: number
}

/**
 * Receives copies as a stream. The cursor is the last document that is written here; where the
 * stream breaks, the next one begins after it, and within a large document where that stopped. What
 * is not written yet stays bounded: one item, and what the credit of the stream allows.
 */
export class CopyPuller {
  readonly #context: Context
  /** Also for the next source, which may have the very same copy. */
  readonly #assemblies = new Assemblies(documentBytesMax)
  #cancelSweep: (() => void) | undefined
  #pending = 0

  constructor(context: Context) {
    this.#context = context
  }

  /** Documents that open streams have still to bring. */
  get pending(): number {
    return this.#pending
  }

  stop(): void {
    this.#cancelSweep?.()
    this.#assemblies.clear()
  }

  /** Yields with each item, after it was written; throws when the source brings nothing more. */
  async *pull(peer: string, ids: readonly string[], options: PullOptions): AsyncGenerator<Pulled> {
    const pull: Pull = { ...options, peer, of: ids.length, documents: 0, bytes: 0, resumes: 0 }
    let isComplete = false
    this.#pending += ids.length
    this.#tell(pull, 'begun')
    try {
      yield* this.#all(pull, ids)
      isComplete = true
    } finally {
      this.#pending -= ids.length - pull.documents
      this.#tell(pull, isComplete ? 'ended' : 'broken')
    }
  }

  async *#all(pull: Pull, ids: readonly string[]): AsyncGenerator<Pulled> {
    const { counters, log, mutants, signal } = this.#context
    let cursor = 0
    let failures = 0
    while (cursor < ids.length) {
      try {
        for await (const { done, pulled } of this.#stream(pull, pageOf(ids, cursor))) {
          cursor += done
          pull.documents += done
          this.#pending -= done
          failures = 0
          this.#tell(pull, 'going')
          yield pulled
        }
      } catch (error) {
        // Everything is here, and only the end of the stream was lost.
        if (cursor >= ids.length || mutants.coverBrokenStream === true) return
        failures++
        if (failures > resumesMax || signal.aborted || pull.signal.aborted) throw error
        pull.resumes++
        counters.resumes?.increment()
        log?.('copies of %s broke off, %d of %d are here: %e', pull.peer, cursor, ids.length, error)
        // oxlint-disable-next-line no-await-in-loop -- the next stream begins where this one ended.
        await pause(this.#context, jittered(this.#context, retryMs.first))
      }
    }
  }

  /** One stream. `done` says how far the cursor moves. */
  async *#stream(
    pull: Pull,
    ids: readonly string[]
  ): AsyncGenerator<{ readonly done: number; readonly pulled: Pulled }> {
    const { edge, mutants } = this.#context
    const method = edge === undefined ? 'state.copies' : 'state.pinned.copies'
    const [first = ''] = ids
    let assembly = this.#assemblies.take(first)
    const resume = assembly === undefined ? {} : { resume: assembly.resumption }
    const request = copiesRequest.encode({ ids, ...resume })
    let at = 0
    try {
      const { peer, signal } = pull
      for await (const item of pipe(
        progressing(this.#context, { peer, method, request, signal }),
        (source) => this.#items(pull, source)
      )) {
        let { states } = item
        let skipped = 0
        if (item.piece !== undefined) {
          const isNew = assembly === undefined || isOther(assembly, item.piece)
          if (isNew) assembly = this.#begin(pull, ids[at], item.piece)
          const whole = assembly?.add(item.piece)
          states = whole === undefined ? [] : [whole]
          if (whole !== undefined) assembly = undefined
          if (mutants.cursorBeforeWrite === true) skipped = (isNew ? 1 : 0) - states.length
        }
        const here = ids.slice(at, at + states.length + item.absent.length)
        at += here.length
        const pulled = await this.#take(pull, here, states)
        yield { done: here.length + skipped, pulled }
      }
    } finally {
      if (assembly !== undefined) this.#keep(assembly)
    }
    if (at < ids.length) {
      throw new MalformedMessageError(`${pull.peer} sent ${at} of ${ids.length} documents`)
    }
  }

  async *#items(pull: Pull, source: AsyncIterable<Uint8Array>): AsyncGenerator<CopiesItem> {
    let number = 0
    for await (const bytes of source) {
      const item = copiesItem.decode(bytes)
      if (item.number !== number) {
        throw new MalformedMessageError(`item ${item.number} of copies instead of ${number}`)
      }
      number++
      pull.bytes += bytes.length
      this.#context.counters.copied?.increment(bytes.length)
      yield item
    }
  }

  #begin(pull: Pull, id: string | undefined, piece: Piece): Assembly {
    if (id === undefined) throw new MalformedMessageError(`${pull.peer} sends too many copies`)
    return new Assembly(id, piece, documentBytesMax)
  }

  /** Joins and writes the next documents, of which some may be absent. */
  async #take(pull: Pull, ids: readonly string[], states: readonly Uint8Array[]): Promise<Pulled> {
    if (ids.length === 0) return []
    const joined = pull.merge(states, pull.check)
    const byId = new Map(joined.map((one) => [one.held.id, one]))
    if (joined.some(({ held }) => !ids.includes(held.id)) || byId.size < joined.length) {
      throw new MalformedMessageError(`${pull.peer} sent other documents than it was asked for`)
    }
    await pull.write(joined)
    return ids.map((id) => ({ id, joined: byId.get(id) }))
  }

  #keep(assembly: Assembly): void {
    const { clock } = this.#context
    this.#assemblies.keep(assembly)
    this.#cancelSweep?.()
    this.#cancelSweep = clock.schedule(assemblyMs, () => this.#assemblies.clear())
  }

  #tell({ peer, documents, of, bytes, resumes }: Pull, status: CopyProgress['status']): void {
    this.#context.copying({ peer, status, documents, of, bytes, resumes })
  }
}

function isOther({ digest }: Assembly, piece: Piece): boolean {
  return piece.digest !== digest || piece.at === 0
}

/** As many ids as one request names. */
export function pageOf(ids: readonly string[], from: number): readonly string[] {
  const page = ids.slice(from, from + copiesMax)
  let bytes = 0
  const cut = page.findIndex((id) => {
    // Of UTF-8 at most three bytes for a unit of text.
    bytes += id.length * 3 + 4
    return bytes > idBytesMax
  })
  return cut === -1 ? page : page.slice(0, Math.max(1, cut))
}

const idBytesMax = 524_288
