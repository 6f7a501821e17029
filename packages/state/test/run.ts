import { createPlacement } from '@murmuration/placement'
import { integerBetween } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { DocumentCopy } from '../src/core/document-copy.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { smallStreams } from './stream-scenarios.ts'
import { DIGITS_MAX, pick, recordOf, schema, tallied, World } from './world.ts'
import type { Peer, Reply, Request, Update } from './world.ts'

const peersCount = 5
const faultsMs = 1500
/** The owner of the second one is its namesake, mostly outside of its home set. */
const few = ['test/doc/a', 'test/pinned/p0']
/** More of them, so that a stream brings several. */
const many = [...few, 'test/doc/b', 'test/doc/c', 'test/doc/d']

/** Errors after which nothing was changed. */
const harmless = new Set(['NotOwnerError', 'UnavailableError', 'OverloadedError'])

interface DocumentValue {
  readonly hits: Readonly<Record<string, number>>
  readonly tags: readonly string[]
  readonly total: number
  readonly tally: number
}

/** One run: clients repeat their updates through crashes, pauses, splits and new views. */
export async function run(
  simulation: Simulation,
  mutants: Mutants = {},
  options: {
    readonly moving?: boolean
    readonly collecting?: boolean
    readonly forgetting?: boolean
    readonly streaming?: boolean
    readonly damaging?: boolean
  } = {}
): Promise<Run> {
  const one = new Run(simulation, mutants)
  one.world.moving = options.moving === true
  if (options.collecting === true) one.collect()
  if (options.forgetting === true) one.forget()
  if (options.streaming === true) one.stream()
  if (options.damaging === true) one.damage()
  await one.go()
  return one
}

class Run {
  readonly world: World
  readonly #simulation: Simulation
  #faults = true
  #clients = 0
  #sentOnce = 0
  readonly #digits = new Map<string, number>()
  #lost: Peer | undefined
  #documents = few
  acknowledged = 0
  /** Items of streams of copies, and how many of them broke their stream. */
  items = 0
  breaks = 0
  /** Time between faults, and for all of them. */
  #pace = { betweenMs: [30, 250] as readonly [number, number], thinkMs: 80, allMs: faultsMs }
  #isCollecting = false
  #isForgetting = false
  /** What the clients know of the sessions that a document has forgotten. */
  readonly #since = new Map<string, readonly number[]>()
  /** Keys of which no owner knows any more what became of them. */
  unknown = 0
  #isDamaging = false
  /** Peers of which records were damaged that are not replaced yet. */
  readonly #harmed = new Set<Peer>()
  /** Records that got a wrong bit. */
  damages = 0
  /** Part of the executions that are followed by a fault. */
  #strikes = 0

  constructor(simulation: Simulation, mutants: Mutants) {
    this.#simulation = simulation
    this.world = new World(simulation, peersCount, mutants)
  }

  /** Writers are taken out whenever that is possible, and there is time for it between the faults. */
  collect(): void {
    this.#isCollecting = true
    this.#pace = { betweenMs: [60, 900], thinkMs: 500, allMs: 3500 }
    this.world.collectNames = 1
  }

  /** Most sessions are forgotten all the time, and copies of old requests come late. */
  forget(): void {
    this.#isForgetting = true
    this.#pace = { betweenMs: [60, 900], thinkMs: 400, allMs: 3500 }
    this.world.collectNames = 4
    this.world.sessionsMax = 1
    this.world.isOnce = true
  }

  /** Bits of records flip while their peer is down. */
  damage(): void {
    this.#isDamaging = true
  }

  /** Documents that have forgotten sessions. */
  get forgetful(): number {
    return this.#documents.filter((id) => {
      const held = this.world.ownerOf(id)?.state?.held(id)
      return (held?.copy.forgotten.length ?? 0) > 0
    }).length
  }

  /** Copies travel as streams of small items, which break anywhere, also by the end of their source. */
  stream(): void {
    this.#documents = many
    this.world.streams = smallStreams
    const breaks = pick(this.#random, [0.05, 0.2, 0.4])
    this.world.onItem = (_receiver, source) => {
      this.items++
      if (!this.#chance(breaks)) return 'none'
      this.breaks++
      if (this.#faults && this.#chance(0.25)) {
        const peer = this.world.peer(source)
        // Not within a step of that very peer.
        this.#simulation.after(0, () => this.#crash(peer))
      }
      return this.#chance(0.5) ? 'cut' : 'late'
    }
  }

  /** Collections that the documents went through. */
  get collections(): number {
    return this.#documents.reduce((sum, id) => {
      const owner = this.world.ownerOf(id)
      return sum + (owner?.state?.held(id)?.copy.state().lineage.count ?? 0)
    }, 0)
  }

  #throwViolation(): void {
    const [violation] = this.world.violations
    if (violation !== undefined) {
      throw new Error(violation)
    }
  }

  #fail(what: string): void {
    this.#simulation.log(`!! ${what}`)
    this.world.violations.push(what)
  }

  get #random() {
    return this.world.random
  }

  #chance(part: number): boolean {
    return this.#random.next() < part
  }

  #between(low: number, high: number): number {
    return integerBetween(this.#random, low, high)
  }

  async go(): Promise<void> {
    const { world } = this
    // Hard runs: news of views is slow, so that peers act in different views for long.
    const hard = this.#chance(0.5)
    this.#strikes = pick(this.#random, [0.1, 0.3, 0.7])
    world.newsMs = hard ? 700 : 80
    world.compareMs = hard ? 2500 : 800
    world.onExecute = (peer) => this.#strike(peer)
    world.onAcknowledge = (peer, id) => this.#strikeReplica(peer, id)
    const out = this.#between(0, 2)
    world.newView(world.peers.slice(0, peersCount - out))
    for (const peer of world.peers) {
      await this.#simulation.wait(world.start(peer))
    }
    this.#simulation.conditions({
      loss: pick(this.#random, [0, 0.02, 0.1, 0.2]),
      duplication: pick(this.#random, [0, 0.05, 0.2]),
      reordering: pick(this.#random, [0, 0.1, 0.5]),
      delayMs: pick(this.#random, [
        [0.2, 2],
        [1, 12],
        [1, 60]
      ] as const)
    })
    for (const session of ['s0', 's1', 's2']) {
      void this.#client(session)
    }
    this.#nemesis()
    await this.#simulation.run(this.#pace.allMs)
    this.#throwViolation()
    await this.#recover()
    this.#check()
    this.#throwViolation()
  }

  /** Sends updates one after the other, each until it is answered. */
  async #client(session: string): Promise<void> {
    this.#clients++
    const { world } = this
    const total = this.#between(4, 9)
    const open = new Set<number>()
    const lanes = this.#chance(0.4) ? 2 : 1
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < total) {
        if (this.#isCollecting && this.#chance(0.5)) await this.#sendOnce(session)
        const sequence = next++
        open.add(sequence)
        const id = pick(this.#random, this.#documents)
        const update = this.#update(id)
        world.note({ id, session, sequence, lowest: 0, update })
        await this.#repeat(session, sequence, open)
        open.delete(sequence)
        await this.#pause(this.#between(1, this.#pace.thinkMs))
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    this.#clients--
  }

  /** An update without a key: where there is no answer, nobody knows. */
  async #sendOnce(client: string): Promise<void> {
    const id = pick(this.#random, this.#documents)
    const update = this.#tally(id)
    if (update === undefined) return
    const sequence = this.#sentOnce++
    const request = { id, session: `${client}-once`, sequence, lowest: 0, update, isKeyless: true }
    this.world.note(request)
    const reply = await this.#ask(id, (peer) => this.world.request(client, peer, request))
    if (reply?.status === 'ok') {
      this.acknowledged++
      this.world.histories.get(`${request.session}:${sequence}`)!.acknowledged = reply.result
    }
  }

  /** An update that leaves nothing that lives, so that its writer can go. */
  #tally(id: string): Update | undefined {
    const digit = this.#digits.get(id) ?? 0
    if (!this.#isCollecting || digit >= DIGITS_MAX) return undefined
    this.#digits.set(id, digit + 1)
    return { kind: 'tally', digit }
  }

  #update(id: string): Update {
    const tally = this.#isCollecting && this.#chance(0.8) ? this.#tally(id) : undefined
    if (tally !== undefined) return tally
    const kind = pick(this.#random, ['count', 'add', 'add', 'remove'] as const)
    if (kind === 'count') {
      return { kind, by: this.#between(1, 9) }
    }
    const added = [...this.world.histories].filter(
      ([, history]) => history.id === id && history.update.kind === 'add'
    )
    return kind === 'add' || added.length === 0
      ? { kind: 'add' }
      : { kind: 'remove', tag: pick(this.#random, added)[0] }
  }

  async #repeat(session: string, sequence: number, open: ReadonlySet<number>): Promise<void> {
    const { world } = this
    const name = `${session}:${sequence}`
    const history = world.histories.get(name)!
    const place = `${session} ${history.id}`
    let since = this.#since.get(place) ?? []
    let mayHaveCounted = false
    for (let attempt = 0; attempt < 400; attempt++) {
      const request = {
        id: history.id,
        session,
        sequence,
        lowest: Math.min(...open),
        update: history.update,
        since
      }
      if (this.#isForgetting && this.#chance(0.3)) {
        // It may count whenever it comes, whatever is answered to this attempt.
        mayHaveCounted = true
        void this.#late(request)
      }
      const reply = await this.#ask(history.id, (peer) => world.request(session, peer, request))
      if (reply?.status === 'unknown' && !mayHaveCounted && history.acknowledged === undefined) {
        since = reply.since
        this.#since.set(place, since)
        continue
      }
      if (reply?.status === 'unknown' || (reply?.status === 'expired' && this.#isForgetting)) {
        this.unknown++
        return
      }
      mayHaveCounted ||= reply?.status !== 'failed' || !harmless.has(reply.name)
      if (reply?.status === 'expired') {
        this.#fail(`${name} expired before it was answered`)
        return
      }
      if (reply?.status === 'ok') {
        if (history.acknowledged === undefined) {
          this.acknowledged++
          history.acknowledged = reply.result
          this.#simulation.log(`${name} acknowledged: ${reply.result}`)
          if (this.#chance(0.2)) {
            continue
          }
        } else if (history.acknowledged !== reply.result) {
          this.#fail(`${name} gave ${history.acknowledged}, then ${reply.result}`)
        }
        return
      }
      if (history.acknowledged !== undefined && this.#chance(0.5)) {
        return
      }
      await this.#pause(this.#between(20, 90))
    }
    this.#fail(`${name} was never answered`)
  }

  /** A copy of a request that was under way for long, so that its client has gone on. */
  async #late(request: Request): Promise<void> {
    this.#clients++
    await this.#pause(this.#between(100, 2500))
    const reply = await this.#ask(request.id, (peer) =>
      this.world.request(request.session, peer, request)
    )
    const name = `${request.session}:${request.sequence}`
    const told = this.world.histories.get(name)?.acknowledged
    if (reply?.status === 'ok' && told !== undefined && told !== reply.result) {
      this.#fail(`${name} gave ${told}, and later ${reply.result}`)
    }
    this.#clients--
  }

  async #ask(id: string, send: (peer: string) => Promise<Reply>): Promise<Reply | undefined> {
    const believed = this.#chance(0.75) ? this.#owner(id) : undefined
    const peer = believed ?? pick(this.#random, this.world.peers)
    try {
      return await send(peer.name)
    } catch {
      // Lost, refused or too late: the client repeats it.
      return undefined
    }
  }

  #owner(id: string): Peer | undefined {
    const owner = this.world.ownerOf(id)
    return owner?.state === undefined ? undefined : owner
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#simulation.after(ms, resolve)
    })
  }

  #nemesis(): void {
    if (!this.#faults) {
      return
    }
    const kind = this.#random.next()
    if (kind < 0.15) {
      this.#crash(this.#someone())
    } else if (kind < 0.3) {
      this.#pauseOne(this.#someone())
    } else if (kind < 0.45) {
      this.#isolate(this.#someone())
    } else if (this.world.moving && this.#chance(0.5)) {
      this.#move()
    } else {
      this.#changeView(pick(this.#random, this.world.peers))
    }
    this.#simulation.after(this.#between(...this.#pace.betweenMs), () => this.#nemesis())
  }

  /** The same members, and a document goes to one of them. */
  #move(): void {
    const names = this.world.views.newest?.members.map(({ peer }) => peer) ?? []
    this.world.newView(this.world.peers.filter(({ name }) => names.includes(name)))
  }

  /** Faults at the worst time: just when an owner has something that nobody else has. */
  #strike(owner: Peer): void {
    if (!this.#faults || !this.#chance(this.#strikes)) {
      return
    }
    const delay = this.#chance(0.4) ? 0 : this.#random.next() * 15
    const kind = this.#random.next()
    const others = this.world.peers.filter((peer) => peer !== owner)
    this.#isolate(owner, this.#chance(0.7) ? [pick(this.#random, others)] : [])
    this.#simulation.after(delay, () => {
      if (kind < 0.3) {
        this.#crash(owner)
      } else if (kind < 0.6) {
        this.#pauseOne(owner)
      }
      if (kind > 0.2) {
        this.#simulation.after(this.#between(0, 60), () => this.#changeView(owner))
      }
    })
  }

  /** Just when an update has enough copies, one that may hold it is out of reach, and the owner goes. */
  #strikeReplica(owner: Peer, id: string): void {
    if (!this.#faults || !this.#chance(this.#strikes / 2)) {
      return
    }
    const { world } = this
    const home = world.homeOf(id, world.views.all.length)
    const holders = world.peers.filter(
      (peer) => peer !== owner && home.includes(peer.disk.incarnation)
    )
    if (holders.length > 0) {
      const peer = pick(this.#random, holders)
      if (this.#chance(0.5)) {
        this.#pauseOne(peer)
      } else {
        this.#isolate(peer)
      }
    }
    this.#simulation.after(this.#between(0, 40), () => this.#changeView(owner))
  }

  #someone(): Peer {
    return (
      (this.#chance(0.6) ? this.#owner(pick(this.#random, this.#documents)) : undefined) ??
      pick(this.#random, this.world.peers)
    )
  }

  #crash(peer: Peer): void {
    const { world } = this
    if (
      !this.#faults ||
      !this.#simulation.isRunning(peer.name) ||
      world.peers.some((one) => one.state === undefined)
    ) {
      return
    }
    const wipe = this.#chance(0.4) && this.#mayLose(peer)
    const harm = this.#isDamaging && !wipe && this.#mayLose(peer)
    world.crash(peer, { wipe })
    if (wipe) this.#harmed.delete(peer)
    if (harm) this.#flipBits(peer)
    this.#simulation.after(this.#between(20, 400), () => this.#restart(peer))
    if (wipe) {
      this.#simulation.after(this.#between(50, 300), () => {
        const members = this.#members()
        if (this.#faults && members.includes(peer)) {
          world.newView(members)
        }
      })
    }
  }

  #flipBits(peer: Peer): void {
    for (let flips = this.#between(1, 4); flips > 0; flips--) {
      if (this.#simulation.flipBit(peer.name) === undefined) return
      this.#harmed.add(peer)
      this.damages++
    }
  }

  /** Nothing of the damage is left: its copies count again. */
  #isWhole({ state }: Peer): boolean {
    return state?.stats().damaged === 0
  }

  #restart(peer: Peer): void {
    if (peer.state === undefined && peer !== this.#lost) {
      void this.world.start(peer)
    }
  }

  /** Whether the disk may be lost: at most one of every view that is not settled. */
  #mayLose(peer: Peer): boolean {
    const { world } = this
    this.#harmed.forEach((one) => this.#isWhole(one) && this.#harmed.delete(one))
    // What is damaged is lost until it was replaced.
    if ([...this.#harmed].some((one) => one !== peer)) return false
    const alive = new Set(world.peers.map((one) => one.disk.incarnation))
    return world.views.all.slice(world.views.settled - 1).every(({ members }) => {
      const lost = members.filter(({ incarnation }) => !alive.has(incarnation)).length
      const member = members.some(({ incarnation }) => incarnation === peer.disk.incarnation)
      return !member || lost === 0
    })
  }

  #pauseOne({ name }: Peer): void {
    if (!this.#simulation.isRunning(name)) {
      return
    }
    this.#simulation.pause(name)
    this.#simulation.after(this.#between(50, 900), () => this.#simulation.resume(name))
  }

  /** Cuts a peer off from others, in one direction or both. */
  #isolate({ name }: Peer, except: readonly Peer[] = []): void {
    const direction = this.#between(0, 2)
    const blocked: [string, string][] = []
    for (const other of this.world.peers) {
      if (other.name !== name && !except.includes(other) && this.#chance(0.85)) {
        if (direction !== 1) {
          blocked.push([name, other.name])
        }
        if (direction !== 2) {
          blocked.push([other.name, name])
        }
      }
    }
    for (const [from, to] of blocked) {
      this.#simulation.block(from, to)
    }
    this.#simulation.after(this.#between(50, 500), () => {
      for (const [from, to] of blocked) {
        this.#simulation.unblock(from, to)
      }
    })
  }

  #members(): Peer[] {
    const view = this.world.views.newest
    return view === undefined ? [] : view.members.map(({ peer }) => this.world.peer(peer))
  }

  #changeView(peer: Peer): void {
    if (!this.#faults) {
      return
    }
    const members = this.#members()
    if (!members.includes(peer)) {
      this.world.newView([...members, peer])
    } else if (members.length > 3) {
      this.world.newView(members.filter((one) => one !== peer))
    } else if (
      members.some(
        (one, at) => one.disk.incarnation !== this.world.views.newest?.members[at]?.incarnation
      )
    ) {
      this.world.newView(members)
    }
  }

  /** Ends the faults; then, sometimes, one more disk is lost for good. */
  async #recover(): Promise<void> {
    const { world } = this
    this.#faults = false
    this.#simulation.heal()
    this.#simulation.conditions({ loss: 0, duplication: 0, reordering: 0, delayMs: [0.2, 2] })
    world.newsMs = 50
    for (const peer of world.peers) {
      this.#simulation.resume(peer.name)
    }
    let lost: Peer | undefined
    if (this.#chance(0.6)) {
      lost = pick(this.#random, world.peers)
      if (lost.name !== 'p0' && this.#mayLose(lost)) {
        this.#lost = lost
        world.crash(lost, { wipe: true })
      } else {
        lost = undefined
      }
    }
    await this.#simulation.run(20)
    world.newView(world.peers.filter((peer) => peer !== lost))
    for (const peer of world.peers) {
      if (peer !== lost) {
        this.#restart(peer)
      }
    }
    const done = await this.#simulation.until(
      () => this.#clients === 0 && world.views.settled === world.views.all.length,
      12_000
    )
    if (!done) {
      throw new Error(
        `no progress: ${this.#clients} clients wait, view ${world.views.settled} of ${world.views.all.length} is settled`
      )
    }
    await this.#simulation.until(() => this.#differing() === undefined, 6000)
    const differing = this.#differing()
    if (differing !== undefined) {
      throw new Error(differing)
    }
  }

  /** Where two replicas of a document have different values. */
  #differing(): string | undefined {
    for (const id of this.#documents) {
      const home = createPlacement(this.world.views.newest!).homeOf(recordOf(id))
      const values = home.map(({ peer }) =>
        JSON.stringify(this.#valueAt(this.world.peer(peer), id))
      )
      const other = values.findIndex((value) => value !== values[0])
      if (other > 0) {
        const copies = [home[other]!, home[0]!].map(({ peer }) => {
          const copy = this.world.peer(peer).state?.held(id)?.copy
          return `${copy?.digestAsText} ${JSON.stringify(copy?.state().floors)} ${[...(copy?.entries() ?? [])].map((entry) => `${entry.key}@${entry.stamp.view}.${entry.stamp.boot}:${entry.writer}#${entry.execution}${JSON.stringify(entry.voids)}`).join(' ')}`
        })
        this.#simulation.log(copies.join('\n'))
        return `${id} differs: ${home[other]?.peer} ${values[other]}, ${home[0]?.peer} ${values[0]}`
      }
    }
    return undefined
  }

  /** The live document is what base and standing entries make, however it came about. */
  #checkDerived(peer: Peer, id: string): void {
    const copy = peer.state?.held(id)?.copy
    if (copy !== undefined) {
      const rebuilt = DocumentCopy.from(copy.state()).live.value(schema)
      if (JSON.stringify(sorted(rebuilt)) !== JSON.stringify(this.#valueAt(peer, id))) {
        throw new Error(
          `${peer.name} ${id}: live ${JSON.stringify(this.#valueAt(peer, id))}, derived ${JSON.stringify(sorted(rebuilt))}`
        )
      }
    }
  }

  #check(): void {
    for (const peer of this.world.peers) {
      this.#documents.forEach((id) => this.#checkDerived(peer, id))
    }
    for (const id of this.#documents) {
      const owner = this.world.ownerOf(id)!
      this.#checkValue(id, this.#valueAt(owner, id))
    }
    for (const [name, { id }] of this.world.histories) {
      for (const { peer } of createPlacement(this.world.views.newest!).homeOf(recordOf(id))) {
        this.world.checkResult(this.world.peer(peer), name)
      }
    }
  }

  /** Of the copy itself: a read could ask another peer. */
  #valueAt(peer: Peer, id: string): DocumentValue {
    return sorted(peer.state?.held(id)?.copy.live.value(schema))
  }

  #checkValue(id: string, value: DocumentValue): void {
    let total = 0
    const { histories } = this.world
    const digits = tallied(value.tally)
    for (const [name, history] of histories) {
      if (history.id !== id) {
        continue
      }
      const { update } = history
      const count = update.kind === 'tally' ? digits[update.digit]! : (value.hits[name] ?? 0)
      total += update.kind === 'tally' ? 0 : count * (update.kind === 'count' ? update.by : 1)
      if (count > 1) {
        throw new Error(`${name} counted ${count} times`)
      }
      if (history.acknowledged !== undefined && count === 0) {
        throw new Error(`${name} was acknowledged and is lost`)
      }
      if (history.update.kind === 'add' && history.acknowledged !== undefined) {
        const removals = [...histories.values()].filter(
          (one) => one.update.kind === 'remove' && one.update.tag === name
        )
        const present = value.tags.includes(name) === true
        if (!present && !removals.some((one) => [...one.executions].some(isRemoval))) {
          throw new Error(`the tag ${name} is lost`)
        }
        if (present && removals.some((one) => isRemoval(one.acknowledged ?? ''))) {
          throw new Error(`the tag ${name} came back`)
        }
      }
    }
    if (total !== value.total) {
      throw new Error(`the total of ${id} is ${value.total}, not ${total}`)
    }
  }
}

function sorted(read: Partial<DocumentValue> | undefined): DocumentValue {
  const byName = ([a]: [string, number], [b]: [string, number]): number => (a < b ? -1 : 1)
  return {
    hits: Object.fromEntries(Object.entries(read?.hits ?? {}).toSorted(byName)),
    tags: (read?.tags ?? []).toSorted(),
    total: read?.total ?? 0,
    tally: read?.tally ?? 0
  }
}

function isRemoval(result: string): boolean {
  return result.startsWith('removed')
}
