import type { Member, RegisterOutcome, StoreLife, View } from '@murmuration/interface'
import { answerRequest, emptyRecord, isErasable } from '../src/core/acceptor.ts'
import type { AcceptorSituation, RegisterRecord } from '../src/core/acceptor.ts'
import { Chain } from '../src/core/chain.ts'
import { homeSetOf } from '../src/core/home-set.ts'
import type { Group, HomeSet, Voter } from '../src/core/home-set.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { Operation } from '../src/core/operation.ts'
import { ProposerContext } from '../src/core/proposer.ts'
import { RegisterProposer } from '../src/core/register-proposer.ts'
import { groupOf, partsOf } from '../src/core/register-name.ts'
import type { RegisterName } from '../src/core/register-name.ts'
import type { Answer, Request } from '../src/core/requests.ts'
import type { ProposerPorts } from '../src/core/proposer.ts'
import { dutyFor, isCovered } from '../src/core/settling.ts'
import { survey } from '../src/core/survey.ts'
import type { Surveyed } from '../src/core/survey.ts'
import { isMajorityOf } from '../src/core/tally.ts'
import { Timeline } from './timeline.ts'

const settings = {
  valueBytesMax: 4096,
  batchMax: 8,
  firstWaitMs: 6,
  backOffMs: { first: 4, longest: 40, rounds: 0 }
}

/** How long a proposer waits for one answer, in virtual milliseconds. */
const answerMs = 60

/** What survives a crash. */
interface Disk {
  readonly records: Map<RegisterName, RegisterRecord>
  incarnation: string
  boot: number
  view: number
  settled: number
}

/** One life of a process. */
interface Life {
  readonly records: Map<RegisterName, RegisterRecord>
  /** When the last write of a record is on disk. */
  readonly syncedAt: Map<RegisterName, number>
  readonly proposers: Map<RegisterName, RegisterProposer>
  readonly context: ProposerContext
  /** Raised by a mutant only. */
  fence: number
  /** The view whose duties are being done. */
  movingIn: number
}

export interface Peer {
  readonly name: string
  readonly index: number
  readonly disk: Disk
  life: Life | undefined
  pausedUntil: number
  /** News of views and of what is settled takes so many times longer to reach it. */
  lag: number
}

/** Faults of the network and disks, as a run has chosen them. */
export interface Conditions {
  loss: number
  duplication: number
  slow: number
  slowMs: number
  diskMs: number
  newsMs: number
}

/**
 * Many peers in one synchronous event loop: the real cores, a network, disks and views that are
 * simulated as cheaply as can be, so that a run costs about a millisecond.
 */
export class CoreWorld {
  readonly timeline = new Timeline()
  readonly peers: Peer[]
  readonly views: View[] = []
  readonly conditions: Conditions = {
    loss: 0,
    duplication: 0,
    slow: 0,
    slowMs: 200,
    diskMs: 0.3,
    newsMs: 100
  }
  settled = 1
  /** Directed pairs that drop everything. */
  readonly blocked: Uint8Array
  /** A hook for faults at the worst time; true drops the message. */
  onSend: (from: Peer, to: Peer, request: Request) => boolean = () => false
  readonly random: () => number
  readonly mutants: Mutants
  readonly names: readonly RegisterName[]
  readonly log: (line: () => string) => void
  readonly #homes = new Map<string, HomeSet>()
  readonly #reports = new Map<number, Set<string>>()
  #incarnations = 0

  constructor(init: {
    random: () => number
    mutants: Mutants
    count: number
    names: readonly RegisterName[]
    log: (line: () => string) => void
  }) {
    this.random = init.random
    this.mutants = init.mutants
    this.names = init.names
    this.log = init.log
    this.blocked = new Uint8Array(init.count * init.count)
    this.peers = Array.from({ length: init.count }, (_, index) => ({
      name: `p${index}`,
      index,
      disk: {
        records: new Map(),
        incarnation: this.#newIncarnation(),
        boot: 0,
        view: 0,
        settled: 0
      },
      life: undefined,
      pausedUntil: 0,
      lag: 1
    }))
  }

  #newIncarnation(): string {
    this.#incarnations++
    return `i${this.#incarnations}`
  }

  get now(): number {
    return this.timeline.now
  }

  chance(part: number): boolean {
    return this.random() < part
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1))
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!
  }

  /** A new view; where it places each group is drawn at random, with some of the former replicas. */
  newView(
    members: readonly Peer[],
    home?: readonly Peer[],
    abandoned: readonly StoreLife[] = []
  ): void {
    const number = this.views.length + 1
    const before = this.views.at(-1)
    const view: View = {
      cluster: 'test',
      number,
      members: members.map(({ name, disk }): Member => {
        const known = before?.members.find(
          (member) => member.peer === name && member.incarnation === disk.incarnation
        )
        return {
          peer: name,
          incarnation: disk.incarnation,
          addresses: [],
          labels: {},
          weight: 100,
          since: known?.since ?? number
        }
      }),
      tieBreaker: '',
      placement: { hash: 'sha256-hrw-1', slots: 16384, zoneLabel: 'zone' },
      abandoned: [...(before?.abandoned ?? []), ...abandoned]
    }
    const eligible = view.members.filter(({ since }) => since < number)
    const [oldest] = (eligible.length > 0 ? eligible : view.members).toSorted(
      (a, b) => a.since - b.since || (a.peer < b.peer ? -1 : 1)
    )
    const named: View = { ...view, tieBreaker: oldest?.peer ?? '' }
    for (const group of new Set(this.names.map(groupOf))) {
      this.#place(named, before, group, home)
    }
    this.views.push(named)
    this.log(() => `view ${number}: ${this.#describe(named)}`)
    for (const peer of this.peers) {
      this.#newsAbout(peer, () => this.learn(peer, number))
    }
  }

  #describe(view: View): string {
    const homes = [...new Set(this.names.map(groupOf))].map(
      (group) => `${group}@${this.homes(view, group).voters.map(voterText).join('+')}`
    )
    return `${view.members.map((one) => `${one.peer}#${one.incarnation}`).join(' ')}; ${homes.join(' ')}`
  }

  #place(view: View, before: View | undefined, group: Group, chosen?: readonly Peer[]): void {
    const { replicas } = partsOf(group)
    const size = Math.min(replicas, view.members.length)
    const stay = this.random()
    const old = before === undefined ? [] : this.homes(before, group).voters
    const kept = view.members.filter(
      (one) => old.some((voter) => voter.peer === one.peer) && this.chance(stay)
    )
    const others = this.shuffled(view.members.filter((one) => !kept.includes(one)))
    const home =
      chosen === undefined
        ? [...kept, ...others].slice(0, size)
        : view.members.filter((one) => chosen.some(({ name }) => name === one.peer))
    this.#homes.set(`${view.number}/${group}`, homeSetOf(view, home))
  }

  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values]
    for (let at = result.length - 1; at > 0; at--) {
      const other = this.between(0, at)
      ;[result[at], result[other]] = [result[other]!, result[at]!]
    }
    return result
  }

  readonly homes = (view: View, group: Group): HomeSet =>
    this.#homes.get(`${view.number}/${group}`)!

  /** Each peer learns each thing at a time of its own. */
  #newsAbout(peer: Peer, learn: () => void): void {
    const delay = this.random() * this.random() * this.conditions.newsMs * peer.lag
    this.timeline.after(delay, () => {
      if (peer.life === undefined || peer.pausedUntil > this.now) {
        // It asks again when it is back.
        this.timeline.after(this.conditions.newsMs, learn)
      } else {
        learn()
      }
    })
  }

  learn(peer: Peer, number: number): void {
    const { disk } = peer
    if (peer.life === undefined || number <= disk.view || number > this.views.length) {
      return
    }
    if (disk.view === 0) {
      disk.settled = Math.min(this.settled, number)
    }
    disk.view = number
    disk.settled = Math.max(disk.settled, 1)
    this.log(() => `${peer.name} adopts ${number} (settled ${disk.settled})`)
    this.#adopt(peer, peer.life)
    if (this.settled > disk.settled) {
      this.#newsAbout(peer, () => this.#learnSettled(peer, this.settled))
    }
  }

  #learnSettled(peer: Peer, number: number): void {
    const { disk, life } = peer
    if (life !== undefined && number > disk.settled && number <= disk.view) {
      disk.settled = number
      this.log(() => `${peer.name} knows ${number} is settled`)
      this.#adopt(peer, life)
    }
  }

  #adopt(peer: Peer, life: Life): void {
    life.context.chain = new Chain(
      this.views.slice(peer.disk.settled - 1, peer.disk.view),
      this.homes,
      this.mutants
    )
    life.proposers.forEach((proposer) => proposer.adopt())
    this.#erase(peer, life)
    if (life.movingIn !== peer.disk.view && peer.disk.settled < peer.disk.view) {
      life.movingIn = peer.disk.view
      this.timeline.after(this.random() * 10, () => this.#move(peer, life, peer.disk.view))
    }
  }

  situation(peer: Peer, life: Life): AcceptorSituation {
    return {
      self: { peer: peer.name, incarnation: peer.disk.incarnation },
      chain: life.context.chain!,
      mutants: this.mutants
    }
  }

  /** May happen at any time. */
  erase(peer: Peer): void {
    if (peer.life !== undefined && peer.pausedUntil <= this.now && peer.disk.view > 0) {
      this.#erase(peer, peer.life)
    }
  }

  /** A request of a view that was never decided, as from a peer of another cluster or a liar. */
  stray(peer: Peer): void {
    if (peer.life !== undefined) {
      const voter = { peer: peer.name, incarnation: peer.disk.incarnation, weight: 1 }
      const request = { type: 'peek', name: this.names[0]! } as const
      this.#serve(peer, peer.life, voter, this.views.length + 1000, request, () => {})
    }
  }

  #erase(peer: Peer, life: Life): void {
    for (const [name, record] of life.records) {
      if (isErasable(name, record, this.situation(peer, life))) {
        this.log(() => `${peer.name} erases ${name}`)
        life.records.delete(name)
        this.#persist(peer, life, name, undefined)
      }
    }
  }

  start(peer: Peer): void {
    const { disk } = peer
    disk.boot++
    const boot = this.mutants.bootNotInBallot === true ? 0 : disk.boot
    const context = new ProposerContext({
      name: `${peer.name}#${disk.incarnation}#${boot}`,
      ports: {
        send: (voter, view, request, answered) =>
          this.#send(peer, life, voter, view, request, answered),
        schedule: (delayMs, task) => {
          let isCancelled = false
          this.timeline.after(delayMs, () => {
            this.#whenAwake(peer, life, () => {
              if (!isCancelled) {
                task()
              }
            })
          })
          return () => {
            isCancelled = true
          }
        },
        now: () => this.timeline.now,
        random: this.random,
        behind: (view) => {
          this.timeline.after(this.random() * 3, () =>
            this.#whenAwake(peer, life, () => this.learn(peer, view))
          )
        },
        count: () => {}
      },
      settings,
      mutants: this.mutants
    })
    const life: Life = {
      records: new Map(disk.records),
      syncedAt: new Map(),
      proposers: new Map(),
      context,
      fence: 0,
      movingIn: 0
    }
    peer.life = life
    this.log(() => `${peer.name} starts, boot ${disk.boot} of ${disk.incarnation}`)
    if (disk.view > 0) {
      this.#adopt(peer, life)
    }
    if (this.views.length > disk.view) {
      this.#newsAbout(peer, () => this.learn(peer, this.views.length))
    }
    if (this.settled > disk.settled) {
      this.#newsAbout(peer, () => this.#learnSettled(peer, this.settled))
    }
  }

  /** Ends a process; what is not on disk yet is lost. */
  crash(peer: Peer): void {
    this.log(() => `${peer.name} crashes`)
    peer.life = undefined
  }

  wipe(peer: Peer): void {
    this.log(() => `${peer.name} loses its disk`)
    peer.disk.records.clear()
    if (this.mutants.wipedKeepsName !== true) {
      peer.disk.incarnation = this.#newIncarnation()
      peer.disk.view = 0
      peer.disk.settled = 0
    }
  }

  /** Runs a task in a life of a peer, after its pause. */
  #whenAwake(peer: Peer, life: Life, task: () => void): void {
    if (peer.life !== life) {
      return
    }
    if (peer.pausedUntil > this.now) {
      this.timeline.after(peer.pausedUntil - this.now, () => this.#whenAwake(peer, life, task))
    } else {
      task()
    }
  }

  /** One change of a register at a peer; false if it is down. */
  propose(
    peer: Peer,
    name: RegisterName,
    change: ((value: Uint8Array | undefined) => Uint8Array | undefined) | undefined,
    done: (outcome: RegisterOutcome) => void,
    isNew = false
  ): Operation | undefined {
    const { life } = peer
    if (life === undefined || peer.pausedUntil > this.now) {
      return undefined
    }
    let proposer = life.proposers.get(name)
    if (proposer === undefined) {
      proposer = new RegisterProposer(name, life.context)
      life.proposers.set(name, proposer)
    }
    const failed = (error: unknown): void => {
      throw error
    }
    const operation = new Operation(change, { done, failed }, { isNew })
    proposer.propose(operation)
    return operation
  }

  #deliver(from: Peer, to: Peer, task: () => void): void {
    const { duplication, loss, slow, slowMs } = this.conditions
    if (from === to) {
      this.timeline.after(0.01, task)
      return
    }
    if (this.chance(loss)) {
      return
    }
    for (let copies = this.chance(duplication) ? 2 : 1; copies > 0; copies--) {
      const delay = 1 + this.random() * 4 + (this.chance(slow) ? this.random() * slowMs : 0)
      this.timeline.after(delay, () => {
        if (this.blocked[from.index * this.peers.length + to.index] === 0) {
          task()
        }
      })
    }
  }

  #send(
    from: Peer,
    life: Life,
    voter: Voter,
    view: number,
    request: Request,
    answered: (answer: Answer) => void
  ): void {
    const to = this.peers.find((peer) => peer.name === voter.peer)!
    let isAnswered = false
    const once = (answer: Answer): void => {
      this.#whenAwake(from, life, () => {
        if (!isAnswered) {
          isAnswered = true
          answered(answer)
        }
      })
    }
    this.timeline.after(answerMs, () => once({ type: 'silent' }))
    if (this.onSend(from, to, request)) {
      return
    }
    this.#deliver(from, to, () => {
      if (to.life !== undefined) {
        const target = to.life
        this.#whenAwake(to, target, () =>
          this.#serve(to, target, voter, view, request, (answer) =>
            this.#deliver(to, from, () => once(answer))
          )
        )
      }
    })
  }

  #serve(
    peer: Peer,
    life: Life,
    voter: Voter,
    view: number,
    request: Request,
    reply: (answer: Answer) => void
  ): void {
    const { disk } = peer
    if (voter.incarnation !== disk.incarnation) {
      return
    }
    if (view > disk.view) {
      this.learn(peer, view)
    }
    if (this.mutants.unverifiedFence === true) {
      life.fence = Math.max(life.fence, view)
      if (view < life.fence) {
        reply({ type: 'fenced', view: life.fence })
        return
      }
    }
    if (view > disk.view) {
      // Nobody could show its decision.
      return
    }
    const isUnfenced = this.mutants.naiveSwitch === true || this.mutants.noFence === true
    if (view < disk.view && !isUnfenced) {
      reply({ type: 'fenced', view: disk.view })
      return
    }
    const { name } = request
    const step = answerRequest(life.records.get(name), request, this.situation(peer, life))
    this.log(
      () =>
        `${peer.name} ${describe(request)} -> ${step.reply.type}${step.reply.type === 'conflict' ? ` ${ballotText(step.reply.highest)}` : ''}`
    )
    const { settled } = disk
    if (step.record !== undefined) {
      life.records.set(name, step.record)
      this.#persist(peer, life, name, step.record)
    }
    const isEarly =
      this.mutants.replyBeforeSync === true ||
      (this.mutants.peekUnsynced === true && request.type === 'peek')
    const wait = isEarly ? 0 : Math.max(0, (life.syncedAt.get(name) ?? 0) - this.now)
    this.timeline.after(wait, () =>
      this.#whenAwake(peer, life, () => reply({ type: 'reply', reply: step.reply, settled }))
    )
  }

  /** On disk after a while, in order; a crash before that loses it. */
  #persist(peer: Peer, life: Life, name: RegisterName, record: RegisterRecord | undefined): void {
    const at = Math.max(
      life.syncedAt.get(name) ?? 0,
      this.now + 0.05 + this.random() * this.conditions.diskMs
    )
    life.syncedAt.set(name, at)
    const { incarnation } = peer.disk
    this.timeline.after(at - this.now, () => {
      // A write that was under way in a crash reaches the disk or not.
      if (
        peer.disk.incarnation !== incarnation ||
        (peer.life !== life && (peer.life !== undefined || this.chance(0.5)))
      ) {
        return
      }
      if (record === undefined) {
        peer.disk.records.delete(name)
      } else {
        peer.disk.records.set(name, record)
      }
    })
  }

  /** What a peer does for a view until it may report it. */
  #move(peer: Peer, life: Life, view: number): void {
    this.#whenAwake(peer, life, () => {
      const { disk } = peer
      if (disk.view !== view || disk.settled >= view) {
        return
      }
      const situation = this.situation(peer, life)
      const isIdle = this.mutants.settleFromOne === true && peer.index !== 0
      let open = 1
      let hasFailed = false
      const finished = (): void => {
        open--
        if (open > 0 || disk.view !== view) {
          return
        }
        const isDone =
          isIdle ||
          [...life.records].every(
            ([name, record]) => dutyFor(name, record, this.situation(peer, life)) !== 'agree'
          )
        if (isDone && !hasFailed && this.#isCovered(situation.chain)) {
          this.#report(peer, view)
        } else {
          this.timeline.after(20 + this.random() * 30, () => this.#move(peer, life, view))
        }
      }
      for (const [name, record] of isIdle ? [] : [...life.records]) {
        const duty = dutyFor(name, record, situation)
        if (duty === undefined) {
          continue
        }
        open++
        const agree = (): void => {
          const operation = this.propose(
            peer,
            name,
            (value) => value,
            (outcome) => {
              hasFailed ||= outcome.status !== 'committed'
              finished()
            }
          )
          this.timeline.after(400, () => this.#whenAwake(peer, life, () => operation?.giveUp()))
        }
        if (duty === 'agree') {
          agree()
        } else {
          this.#survey(peer, life, { name, ...situation }, (isHeld) => {
            if (isHeld) {
              finished()
            } else {
              agree()
            }
          })
        }
      }
      finished()
    })
  }

  #survey(peer: Peer, life: Life, what: Surveyed, done: (isHeld: boolean) => void): void {
    const send: ProposerPorts['send'] = (voter, view, request, answered) =>
      this.#send(peer, life, voter, view, request, answered)
    survey(what, send, done)
  }

  #isCovered(chain: Chain): boolean {
    if (this.mutants.settleFromOne === true || this.mutants.settleUnmoved === true) {
      return true
    }
    const { members } = chain.view
    const has = ({ incarnation, peer }: Voter): boolean =>
      members.some((member) => member.peer === peer && member.incarnation === incarnation)
    return [...new Set(this.names.map(groupOf))].every((group) => isCovered(chain, group, has))
  }

  #report(peer: Peer, number: number): void {
    const view = this.views[number - 1]
    const reports = this.#reports.get(number) ?? new Set()
    this.#reports.set(number, reports)
    reports.add(peer.disk.incarnation)
    this.log(() => `${peer.name} reports ${number}`)
    if (
      number > this.settled &&
      view?.members.every(({ incarnation }) => reports.has(incarnation))
    ) {
      this.settled = number
      this.log(() => `view ${number} is settled`)
      for (const one of this.peers) {
        this.#newsAbout(one, () => this.#learnSettled(one, number))
      }
    }
  }

  /** Whether the disk may be lost: majorities of all unsettled home sets stay. */
  mayLose(peer: Peer): boolean {
    return this.views
      .slice(this.settled - 1)
      .every((view) =>
        [...new Set(this.names.map(groupOf))].every((group) =>
          isMajorityOf(
            this.homes(view, group),
            (voter) =>
              voter.peer !== peer.name &&
              this.peers.some(
                ({ disk, name }) =>
                  name === voter.peer &&
                  disk.incarnation === voter.incarnation &&
                  [...disk.records.values()].every(({ damagedIn }) => damagedIn === undefined)
              )
          )
        )
      )
  }

  /** Damages a record on the disk of a peer that is down. */
  damage(peer: Peer, name: RegisterName): void {
    if (peer.disk.records.has(name)) {
      peer.disk.records.set(name, { ...emptyRecord, damagedIn: peer.disk.view })
      this.log(() => `${peer.name} has a damaged record of ${name}`)
    }
  }
}

function ballotText({
  counter,
  proposer,
  view
}: {
  counter: number
  proposer: string
  view: number
}): string {
  return `${view}.${counter}.${proposer}`
}

function voterText({ peer, incarnation, weight }: Voter): string {
  return `${peer}#${incarnation}${weight === 2 ? '*' : ''}`
}

function describe(request: Request): string {
  const ballot = 'ballot' in request ? ` ${ballotText(request.ballot)}` : ''
  const value = 'value' in request ? ` [${request.value?.join(',') ?? '-'}]` : ''
  return `${request.type} ${request.name}${ballot}${value}`
}
