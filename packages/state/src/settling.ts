import type { View } from '@murmuration/interface'
import { jittered } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { entriesBytesMaxTotal, restMs, settleGraceMs, settleMs } from './defaults.ts'
import type { Tenure } from './tenure.ts'

/**
 * What waits for replicas: views until their data is where it belongs, and confirmed updates until
 * they are folded.
 */
export class Settling {
  readonly #context: Context
  readonly #unsafe = new Set<HeldDocument>()
  readonly #toFold = new Set<Tenure>()
  /** Documents that may be held decoded, though nobody uses them any more. */
  readonly #toRest = new Set<HeldDocument>()
  #adoptedAt = 0
  #crowded = false
  #reportedAt: number | undefined
  #cancelSettle: (() => void) | undefined
  #cancelFold: (() => void) | undefined

  constructor(context: Context) {
    this.#context = context
  }

  /** The updates above the floors of all owned documents take more memory than they may. */
  get crowded(): boolean {
    return this.#crowded
  }

  /** Owned documents that are not yet on enough replicas of this view. */
  get unsafe(): number {
    return this.#unsafe.size
  }

  start(): void {
    const { clock, settings } = this.#context
    const settle = (): void => {
      this.#settle()
      this.#cancelSettle = clock.schedule(jittered(this.#context, settleMs), settle)
    }
    const fold = (): void => {
      this.#fold()
      this.#rest()
      this.#cancelFold = clock.schedule(jittered(this.#context, settings.foldIdleMs), fold)
    }
    this.#cancelSettle = clock.schedule(settleMs, settle)
    this.#cancelFold = clock.schedule(settings.foldIdleMs, fold)
  }

  stop(): void {
    this.#cancelSettle?.()
    this.#cancelFold?.()
  }

  adopt(view: View): void {
    const { clock, table } = this.#context
    this.#adoptedAt = clock.monotonic()
    this.#reportedAt = undefined
    this.#unsafe.clear()
    for (const held of table.values()) {
      if (held.tenure !== undefined && held.tenure.epoch.view === view.number) {
        this.#unsafe.add(held)
      }
    }
  }

  /** A document that this peer owns, served or not. */
  add(held: HeldDocument): void {
    this.#unsafe.add(held)
  }

  touched(held: HeldDocument): void {
    this.#toRest.add(held)
    if (held.tenure !== undefined) {
      this.#toFold.add(held.tenure)
    }
  }

  /** The settled view moved: updates may be foldable that were not before. */
  refold(): void {
    for (const held of this.#context.table.values()) {
      if (held.copy.entryCount > 0) {
        this.touched(held)
      }
    }
  }

  #fold(): void {
    const { clock, membership, settings, table } = this.#context
    let bytes = 0
    for (const { copy, tenure } of table.values()) {
      bytes += tenure === undefined ? 0 : copy.entryBytes
    }
    this.#crowded = bytes > entriesBytesMaxTotal
    for (const tenure of this.#toFold) {
      if (tenure.ended) {
        this.#toFold.delete(tenure)
        continue
      }
      const quietSince = clock.monotonic() - tenure.held.changedAt
      if (quietSince < settings.foldIdleMs / 2) {
        continue
      }
      tenure.fold(true)
      // Whatever is left then waits for its client; its next update brings the document back.
      if (tenure.replication.unconfirmed === 0 && membership.settled === tenure.epoch.view) {
        this.#toFold.delete(tenure)
      }
    }
  }

  #rest(): void {
    const { clock } = this.#context
    const now = clock.monotonic()
    for (const held of this.#toRest) {
      if (now - held.changedAt >= restMs) {
        held.copy.rest()
        this.#toRest.delete(held)
      }
    }
  }

  #settle(): void {
    const { clock, coverage, membership, predecessors } = this.#context
    const { view } = membership
    const { round } = coverage
    if (
      view === undefined ||
      round === undefined ||
      round.view.number !== view.number ||
      membership.settled >= view.number ||
      !coverage.complete(round)
    ) {
      return
    }
    for (const held of this.#unsafe) {
      if (!this.#isSafe(held)) {
        return
      }
      this.#unsafe.delete(held)
    }
    const now = clock.monotonic()
    if (predecessors.anyRemoved(view, now)) {
      // Whoever takes over later looks no further back than to the settled view.
      return
    }
    if (this.#reportedAt === undefined || now - this.#reportedAt >= settleGraceMs) {
      this.#reportedAt = now
      membership.reportSettled(view.number)
    }
  }

  /** On W replicas at least; on all that can be reached, unless that takes too long. */
  #isSafe(held: HeldDocument): boolean {
    const { clock, membership } = this.#context
    const { tenure } = held
    if (tenure === undefined) {
      // One of which a record is damaged only looks empty.
      return held.dropped || (held.copy.empty && !held.damaged)
    }
    if (held.copy.empty) {
      return true
    }
    const { replication } = tenure
    if (!replication.safe) {
      return false
    }
    if (replication.allSynced || clock.monotonic() - this.#adoptedAt >= settleGraceMs) {
      return true
    }
    return [...replication.targets].every(
      ({ mode, peer }) => mode === 'append' || membership.reachability(peer) !== 'reachable'
    )
  }
}
