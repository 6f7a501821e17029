import { askTimeoutMs, unsettledMax } from '../defaults.ts'
import type { Context } from './context.ts'
import type { Chain } from './messages.ts'
import { unpackAll } from './packing.ts'
import type { Decision } from './records.ts'
import { follows } from './verifying.ts'

interface Pull {
  readonly from: string
  readonly lineage: string
  readonly decisions: Decision[]
}

/** Fetches newer views from a peer, page by page; one such conversation at a time. */
export class Pulling {
  readonly #context: Context
  #pull: Pull | undefined

  constructor(context: Context) {
    this.#context = context
  }

  pull(from: string): void {
    if (this.#pull === undefined && from !== this.#context.self.peer) {
      this.#ask({ from, lineage: '', decisions: [] })
    }
  }

  #ask(pull: Pull): void {
    this.#pull = pull
    const { history, outbox } = this.#context
    const known = pull.decisions.at(-1)?.view.number
    const own = this.#context.standing()
    // Further pages are asked for in the lineage of the first one.
    const further = { lineage: pull.lineage, number: known ?? 0, size: 0 }
    const standing = known === undefined ? own : { ...own, ...further }
    const question = { standing, after: known ?? history.number }
    outbox.request(pull.from, 'view', question, askTimeoutMs, (chain, now) => {
      this.#pull = undefined
      if (chain !== undefined) {
        this.#received(pull, chain, now)
      }
    })
  }

  #received(pull: Pull, { standing, decisions: packed }: Chain, now: number): void {
    const { config, history } = this.#context
    const decisions = unpackAll(pull.decisions.at(-1)?.view ?? history.view, packed)
    if (decisions === undefined) {
      // This peer has moved on meanwhile; the next message of the other side starts anew.
      return
    }
    const first = decisions[0]?.view.number
    const isConsecutive = [...pull.decisions.slice(-1), ...decisions].every(
      (decision, index, page) => index === 0 || follows(page[index - 1]?.view.number ?? 0, decision)
    )
    const isSame = pull.lineage === '' || pull.lineage === standing.lineage
    const isTooMuch = pull.decisions.length + decisions.length > 4 * unsettledMax
    if (first === undefined || !isConsecutive || !isSame || isTooMuch) {
      // The other side has moved on meanwhile; the next message of it starts anew.
      return
    }
    if (decisions.some(({ view }) => view.cluster !== config.cluster)) {
      return
    }
    const all = [...pull.decisions, ...decisions]
    const last = all.at(-1)?.view.number ?? 0
    if (last < standing.number) {
      this.#ask({ from: pull.from, lineage: standing.lineage, decisions: all })
      return
    }
    const { lineage, settled } = standing
    this.#context.adopt({ lineage, settled, decisions: all }, now)
  }
}
