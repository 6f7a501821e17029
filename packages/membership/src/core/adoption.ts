import type { ForcedMark, View } from '@murmuration/interface'
import type { Announcing } from './announcing.ts'
import type { Context } from './context.ts'
import type { HistoryChange, StoredHistory } from './history.ts'
import type { Chain, Decided } from './messages.ts'
import { packAll, unpack } from './packing.ts'
import type { Replacing } from './replacing.ts'
import { isVerifiedChain } from './verifying.ts'

/** Takes over decided views, durably and only upwards, and gives them to those who ask. */
export class Adoption {
  readonly #context: Context
  readonly #replacing: Replacing
  readonly #announcing: Announcing

  constructor(context: Context, replacing: Replacing, announcing: Announcing) {
    this.#context = context
    this.#replacing = replacing
    this.#announcing = announcing
  }

  /** False if the views do not fit to those known here, or nobody has decided them. */
  adopt(chain: StoredHistory, now: number): boolean {
    const { history, outbox, rules } = this.#context
    const isForeign = chain.lineage !== history.lineage
    if (isForeign ? !this.#mayGoOver(chain) : !history.continues(chain)) {
      return false
    }
    if (!isVerifiedChain(isForeign ? [] : history.views, chain.decisions, rules)) {
      outbox.count('unverified')
      outbox.log('error', 'a view was announced that no majority has voted for: not adopted')
      return false
    }
    const { settled, view: previous, views: before } = history
    const change = isForeign ? history.replace(chain) : history.extend(chain)
    const { view, views } = history
    if (view === undefined) {
      return false
    }
    this.#store(change)
    outbox.count('views')
    outbox.emit({ type: 'view', previous, view, views, settled: history.settled })
    if (history.settled !== settled) {
      outbox.emit({ type: 'settled', settled: history.settled, views })
    }
    outbox.emit({ type: 'keep', members: view.members })
    if (previous !== undefined && !isForeign) {
      this.#reportForced(before, view)
    }
    this.#endLeases(change, isForeign, now)
    return true
  }

  settle(number: number): void {
    const { history, outbox } = this.#context
    const before = history.settled
    const dropped = history.settle(number)
    const { lineage, settled, views } = history
    if (settled === before) {
      return
    }
    for (const old of dropped) {
      outbox.write({ type: 'forget', number: old })
    }
    outbox.write({ type: 'head', head: { lineage, settled } })
    outbox.emit({ type: 'settled', settled, views })
  }

  onDecided(from: string, { standing, decision }: Decided, now: number): void {
    const { config, history } = this.#context
    const { lineage, settled } = standing
    if (standing.cluster !== config.cluster) {
      return
    }
    const unpacked = unpack(history.view, decision)
    const number = unpacked?.view.number ?? decision.delta?.number ?? 0
    const isNext = number === history.number + 1 || decision.forced !== undefined
    if (lineage === history.lineage && unpacked && isNext && number > history.number) {
      const before = history.view
      if (this.#context.adopt({ lineage, settled, decisions: [unpacked] }, now)) {
        this.#announcing.pass(from, before, unpacked)
      }
    } else if (number > history.number) {
      this.#context.pull(from)
    }
  }

  /** What a peer of this lineage lacks; all for one of another, nothing for one that only looks. */
  chain(lineage: string, after: number): Chain {
    const { history } = this.#context
    const isAll = lineage !== history.lineage && after !== Number.MAX_SAFE_INTEGER
    const page = history.page(isAll ? 0 : after)
    // Who asks for what follows a view has that view; no other one has its number.
    const base = isAll ? undefined : history.views.find(({ number }) => number === after)
    return { standing: this.#context.standing(), decisions: packAll(base, page) }
  }

  /** Into another lineage only with nobody left behind, and only upwards in numbers. */
  #mayGoOver({ decisions }: StoredHistory): boolean {
    const { history, isAlone, member, rules, self } = this.#context
    const view = decisions.at(-1)?.view
    return (
      view !== undefined &&
      (member === undefined || isAlone) &&
      view.number > history.number &&
      view.members.some((other) => rules.isSelf(self, other))
    )
  }

  #store({ added, dropped }: HistoryChange): void {
    const { history, outbox } = this.#context
    const { lineage, settled } = history
    for (const number of dropped) {
      outbox.write({ type: 'forget', number })
    }
    for (const decision of added.filter(({ view }) => view.number >= settled)) {
      outbox.write({ type: 'view', decision })
    }
    outbox.write({ type: 'head', head: { lineage, settled } })
    outbox.write({ type: 'acceptor', state: undefined })
  }

  /** Says loudly what an operator has decided, and which views of this peer do not count for it. */
  #reportForced(before: readonly View[], view: View): void {
    const { outbox } = this.#context
    const number = before.at(-1)?.number ?? 0
    for (const mark of view.unsafe?.filter((other) => other.view > number) ?? []) {
      const lost = before.map((old) => old.number).filter((old) => old > mark.base)
      outbox.emit({ type: 'forced', mark, lost })
      outbox.count('forced')
      outbox.log('error', forcedText(mark, lost))
    }
  }

  #endLeases({ added }: HistoryChange, isForeign: boolean, now: number): void {
    const [first] = added
    if (isForeign && first !== undefined) {
      this.#replacing.begin(first.view, now)
    }
    for (const decision of isForeign ? added.slice(1) : added) {
      this.#replacing.adopted(decision, now)
    }
  }
}

function forcedText(
  { view, base, by, reason, abandoned }: ForcedMark,
  lost: readonly number[]
): string {
  if (abandoned !== undefined) {
    return `view ${view} gives up ${abandoned} disks on the word of ${by}: ${reason}. What only they held is lost`
  }
  const text = `view ${view} was forced on ${by} from view ${base} without a majority: ${reason}. `
  return lost.length === 0
    ? `${text}What was acknowledged before may be lost`
    : `${text}Views ${lost.join(', ')} of this peer do not count any more: what was acknowledged in ` +
        `them is known to this peer and its like only`
}
