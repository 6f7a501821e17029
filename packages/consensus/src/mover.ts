import type { AbortOptions, Logger } from '@libp2p/interface'
import type {
  Clock,
  Membership,
  Random,
  RegisterOutcome,
  Rpc,
  SelfIdentity,
  View
} from '@murmuration/interface'
import { isErasable } from './core/acceptor.ts'
import type { AcceptorSituation } from './core/acceptor.ts'
import type { Chain } from './core/chain.ts'
import { isVoter } from './core/home-set.ts'
import type { HomeSet, Voter } from './core/home-set.ts'
import { groupOf, nameOf } from './core/register-name.ts'
import type { RegisterName } from './core/register-name.ts'
import { dutyFor, isCovered } from './core/settling.ts'
import {
  agreeTimeoutMs,
  leftMax,
  moveFirstRetryMs,
  moveRetryMs,
  movesInFlightMax,
  pageMax,
  patienceLooks,
  slotsPerTurn,
  timeoutMsDefault
} from './defaults.ts'
import type { Records } from './records.ts'
import { movedReply, movedRequest } from './wire.ts'

export interface MoverInit {
  readonly self: SelfIdentity
  readonly records: Records
  readonly membership: Membership
  readonly rpc: Rpc
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger | undefined
  /** Which numbers of replicas registers may have. */
  readonly replicas: readonly number[]
  readonly situation: () => AcceptorSituation
  /** Has the present value agreed anew. */
  readonly agree: (name: RegisterName, timeoutMs: number) => Promise<RegisterOutcome>
  /** Whether a majority of its newest home set holds something of the newest view. */
  readonly survey: (name: RegisterName, chain: Chain) => Promise<boolean>
  readonly count: (event: 'moved' | 'erased') => void
}

export const movedMethod = 'registers.moved'

/** Name under which this package reports to membership. */
const reporter = 'registers'

/**
 * Brings what this peer holds to the home sets of a new view, reports the view when that is done, and
 * erases what is settled elsewhere (rule 7).
 */
export class Mover {
  readonly #init: MoverInit
  readonly #controller = new AbortController()
  /** The newest view for which everything held here has been moved. */
  #movedIn = 0
  /** What was not agreed yet when all was looked at; the others are done as long as this view holds. */
  #left: { readonly number: number; readonly names: readonly RegisterName[] } | undefined
  /** How often what is left was looked at in this view. */
  #looks = 0
  #isRunning = false
  #isErasing = false
  #mayErase = false
  /** Views or what is settled have changed since the last step began. */
  #isDue = false

  constructor(init: MoverInit) {
    this.#init = init
  }

  stop(): void {
    this.#controller.abort()
  }

  /** Views or what is settled have changed. */
  adopt(): void {
    this.#mayErase = true
    this.#isDue = true
    void this.#run()
  }

  /** For peers that must know whether somebody outside of the view still holds something. */
  hasMoved(view: number): boolean {
    return this.#movedIn >= view
  }

  async #run(): Promise<void> {
    if (this.#isRunning) {
      return
    }
    this.#isRunning = true
    try {
      // What came while a step was under way found that one is, and began nothing.
      while (!this.#controller.signal.aborted && ((await this.#step()) || this.#isDue)) {
        await this.#pause()
      }
    } finally {
      this.#isRunning = false
    }
  }

  /** True while there is something left to do. */
  async #step(): Promise<boolean> {
    const { log, situation } = this.#init
    this.#isDue = false
    try {
      await this.#erase()
    } catch (error) {
      // The store; it is tried again with the next view.
      log?.error('erasing registers that are settled elsewhere failed: %e', error)
    }
    const { chain } = situation()
    try {
      if (chain.settled >= chain.number) {
        this.#movedIn = chain.number
        return false
      }
      if (this.#movedIn < chain.number && (await this.#move(chain.number))) {
        this.#movedIn = chain.number
      }
      if (this.#movedIn === chain.number && (await this.#isCovered(chain))) {
        this.#report(chain.number)
      }
    } catch (error) {
      // The store or the network; it is tried again.
      log?.error('moving registers to view %d failed: %e', chain.number, error)
    }
    return true
  }

  #report(number: number): void {
    const { membership } = this.#init
    if (membership.view?.number === number && membership.settled < number) {
      membership.reportSettled(number, reporter)
    }
  }

  /** Whether everything that is held here is agreed in the newest home sets. */
  async #move(number: number): Promise<boolean> {
    const { records, situation } = this.#init
    const isCurrent = (): boolean => situation().chain.number === number
    const isFirst = this.#left?.number !== number
    this.#looks = isFirst ? 0 : this.#looks + 1
    const names = this.#left?.number === number ? this.#left.names : this.#unsettled()
    this.#left = undefined
    const left: RegisterName[] = []
    const running = new Set<Promise<void>>()
    const start = async (name: RegisterName): Promise<void> => {
      const task = this.#moveOne(name).then((hasMoved) => {
        if (!hasMoved) {
          left.push(name)
        }
        running.delete(task)
      })
      running.add(task)
      if (running.size >= movesInFlightMax) {
        await Promise.race(running)
      }
    }
    // What was accepted just before this view was adopted may be on its way to the disk.
    await records.flush()
    for (const name of isFirst ? records.damaged.keys() : []) {
      await start(name)
    }
    for await (const name of names) {
      if (!isCurrent()) {
        break
      }
      if (isFirst && this.#isLater(name)) {
        left.push(name)
      } else {
        await start(name)
      }
    }
    await Promise.all(running)
    if (isCurrent() && left.length <= leftMax) {
      this.#left = { number, names: [...new Set(left)] }
    }
    return isCurrent() && left.length === 0
  }

  /** All that is held here of registers whose older home sets may still count. */
  async *#unsettled(): AsyncGenerator<RegisterName> {
    for await (const name of this.#names('a/')) {
      const { chain } = this.#init.situation()
      if (chain.homesSince(chain.settled, groupOf(name)).length > 1) {
        yield name
      }
    }
  }

  /**
   * The first one of a home set begins. Those who hold the same would only compete with it, and once
   * it is done they find that nothing is left to do.
   */
  #isLater(name: RegisterName): boolean {
    const { self, situation } = this.#init
    const { voters } = situation().chain.home(groupOf(name))
    return voters[0]?.peer !== self.peer && voters.some(({ peer }) => peer === self.peer)
  }

  async #moveOne(name: RegisterName): Promise<boolean> {
    const { agree, count, records, situation, survey } = this.#init
    const entry = await records.open(name)
    try {
      const duty = (): ReturnType<typeof dutyFor> =>
        entry.record === undefined ? undefined : dutyFor(name, entry.record, situation())
      const first = duty()
      if (first === undefined) {
        return true
      }
      const { chain } = situation()
      if (await survey(name, chain)) {
        if (first === 'check' && situation().chain === chain) {
          return true
        }
        if (this.#looks < patienceLooks) {
          // Somebody is writing it: the next of those writes comes here too.
          return duty() === undefined
        }
      }
      const outcome = await agree(
        name,
        Math.min(agreeTimeoutMs * 2 ** this.#looks, timeoutMsDefault)
      )
      count('moved')
      return outcome.status === 'committed' && duty() !== 'agree'
    } finally {
      records.close(entry)
    }
  }

  /** Whether those who move their records hold everything together, members of the view or not. */
  async #isCovered(chain: Chain): Promise<boolean> {
    const { replicas, self } = this.#init
    const helpers = await this.#helpers(chain)
    const has = (voter: Voter): boolean =>
      isVoter(chain.everybody, voter) || isVoter(helpers, voter)
    if (replicas.every((number) => chain.views.every((view) => survives(view, number, has)))) {
      return true
    }
    for (const number of replicas) {
      // Where everybody is in every home set, one of them tells of all.
      const isOne = chain.views.every((view) => view.members.length <= number)
      const slots = isOne ? 1 : chain.view.placement.slots
      for (let slot = 0; slot < slots; slot++) {
        const group = groupOf(nameOf({ id: 'any', replicas: number }, slot))
        const isMine = isOne || chain.home(group).voters[0]?.peer === self.peer
        if (isMine && !isCovered(chain, group, has)) {
          return false
        }
        if (slot % slotsPerTurn === 0) {
          await this.#sleep(0)
        }
      }
    }
    return true
  }

  /** Peers that are out of the view, alive, and have moved what they hold: those that leave, above all. */
  async #helpers(chain: Chain): Promise<HomeSet> {
    const outside = chain.views
      .flatMap((view) => view.members)
      .filter((member) => !isVoter(chain.everybody, member))
    const distinct = new Map(outside.map((one) => [`${one.peer}#${one.incarnation}`, one]))
    const answers = await Promise.all(
      [...distinct.values()].map(async ({ incarnation, peer }) => ({
        peer,
        incarnation,
        weight: await this.#hasMovedThere(peer, incarnation, chain.number)
      }))
    )
    return { voters: answers.filter(({ weight }) => weight > 0), total: 0, needed: 0 }
  }

  async #hasMovedThere(peer: string, incarnation: string, view: number): Promise<number> {
    try {
      const request = movedRequest.encode({ view })
      const bytes = await this.#init.rpc.call(peer, movedMethod, request, { timeoutMs: 1000 })
      const reply = movedReply.decode(bytes)
      return reply.moved === 'yes' && reply.incarnation === incarnation ? 1 : 0
    } catch {
      // Gone, or not there yet: it is asked again if it is needed.
      return 0
    }
  }

  async #erase(): Promise<void> {
    if (!this.#mayErase || this.#isErasing) {
      return
    }
    this.#mayErase = false
    this.#isErasing = true
    try {
      const { records } = this.#init
      let count = 0
      for (const kind of ['a/', 'p/'] as const) {
        for await (const name of this.#names(kind)) {
          const entry = await records.open(name)
          const isErased = await this.#eraseOne(entry).finally(() => records.close(entry))
          count += !isErased && kind === 'a/' ? 1 : 0
        }
      }
      records.count = Math.max(records.count, count)
    } finally {
      this.#isErasing = false
    }
  }

  async #eraseOne(entry: Awaited<ReturnType<Records['open']>>): Promise<boolean> {
    const { count, records, situation } = this.#init
    const before = entry.record
    if (before === undefined) {
      return true
    }
    if (!isErasable(entry.name, before, situation())) {
      return false
    }
    records.set(entry, undefined)
    await records.save([{ entry, before }])
    count('erased')
    return true
  }

  async *#names(kind: 'a/' | 'p/'): AsyncGenerator<RegisterName> {
    let after: RegisterName | undefined
    for (;;) {
      const page = await this.#init.records.names(after, kind, pageMax)
      yield* page
      after = page.at(-1)
      if (after === undefined || page.length < pageMax || this.#controller.signal.aborted) {
        return
      }
    }
  }

  /** Short at first while something is left: what others move, or write, is there soon. */
  #pause(): Promise<void> {
    const isLeft = this.#left !== undefined && this.#left.names.length > 0
    const looks = isLeft ? this.#looks : Infinity
    const delayMs = Math.min(moveRetryMs, moveFirstRetryMs * 2 ** looks)
    return this.#sleep(delayMs * (0.5 + this.#init.random.next() / 2))
  }

  #sleep(delayMs: number, { signal }: AbortOptions = this.#controller): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#init.clock.schedule(delayMs, resolve)
      signal?.addEventListener(
        'abort',
        () => {
          cancel()
          resolve()
        },
        { once: true }
      )
    })
  }
}

/** Whether so few members of a view are gone that none of its home sets can have lost its majority. */
function survives(view: View, replicas: number, has: (voter: Voter) => boolean): boolean {
  const size = Math.min(replicas, view.members.length)
  const lost = view.members.filter((member) => !has({ ...member, weight: 1 })).length
  // With an even size the one that weighs 2 may be among them.
  return lost === 0 || (size % 2 === 1 && 2 * lost < size)
}
