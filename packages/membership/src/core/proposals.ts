import type { View, ViewProposal } from '@murmuration/interface'
import { proposalsMax } from '../defaults.ts'
import type { Context } from './context.ts'
import { isAmong } from './shares.ts'
import { isProposalIn } from './view-change.ts'

/** What people asked this peer to change in the view, until a view has it. */
export class Proposals {
  readonly #context: Context
  readonly #waiting = new Set<ViewProposal>()

  constructor(context: Context) {
    this.#context = context
  }

  /** False if too much waits already. */
  add(proposal: ViewProposal, now: number): boolean {
    if (this.#waiting.size >= proposalsMax) {
      return false
    }
    this.#waiting.add(proposal)
    this.#context.consider(now)
    return true
  }

  /** Takes one back, which may be decided all the same. */
  remove(proposal: ViewProposal): void {
    this.#waiting.delete(proposal)
  }

  /** What this view lacks. */
  missingIn(view: View): readonly ViewProposal[] {
    return [...this.#waiting].filter(
      (proposal) => isAmong(view, proposal.among) && !isProposalIn(view, proposal)
    )
  }

  /** Members that are out because their certificate was revoked, or their name. */
  expelled(view: View): readonly string[] {
    const { config } = this.#context
    const added = [...this.#waiting].flatMap(({ revoke }) => revoke?.serials ?? [])
    const serials = new Set([...(view.revoked?.serials ?? []), ...added])
    if (serials.size === 0) {
      return []
    }
    return view.members
      .map(({ peer }) => peer)
      .filter((peer) => {
        const serial = config.serialOf(peer)
        return serial !== undefined && serials.has(serial)
      })
  }
}
