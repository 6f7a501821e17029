import { TypedEventEmitter } from 'main-event'
import { UnavailableError } from '@murmuration/interface'
import type {
  Clock,
  Member,
  Membership,
  MembershipEvents,
  Reachability,
  SelfIdentity,
  View
} from '@murmuration/interface'

/** The views of a simulated cluster: what agreement would give, without agreeing. */
export class Views {
  readonly all: View[] = []
  settled = 1
  readonly #reports = new Map<number, Set<string>>()
  readonly #onSettled: (() => void)[] = []

  get newest(): View | undefined {
    return this.all.at(-1)
  }

  add(
    members: readonly { readonly peer: string; readonly incarnation: string }[],
    moved: View['moved'] = []
  ): View {
    const number = this.all.length + 1
    const view: View = {
      cluster: 'test',
      number,
      members: members
        .map(({ peer, incarnation }): Member => ({
          peer,
          incarnation,
          addresses: [],
          labels: {},
          weight: 100,
          since: 1
        }))
        .toSorted((a, b) => (a.peer < b.peer ? -1 : 1)),
      tieBreaker: members[0]?.peer ?? '',
      placement: { hash: 'sha256-hrw-1', slots: 16384, zoneLabel: 'zone' },
      ...(moved.length === 0 ? {} : { moved })
    }
    this.all.push(view)
    return view
  }

  /** A view is settled when all of its members say so. */
  report(number: number, peer: string): void {
    const reports = this.#reports.get(number) ?? new Set()
    this.#reports.set(number, reports)
    reports.add(peer)
    const view = this.all[number - 1]
    if (view !== undefined && number > this.settled) {
      if (view.members.every((member) => reports.has(member.peer))) {
        this.settled = number
        for (const listener of this.#onSettled) {
          listener()
        }
      }
    }
  }

  onSettled(listener: () => void): void {
    this.#onSettled.push(listener)
  }
}

/** What membership keeps on disk. */
export interface Adopted {
  incarnation: string
  boot: number
  view: number
  settled: number
  /** Heard of before the view was. */
  settledHeard: number
}

export class FakeMembership extends TypedEventEmitter<MembershipEvents> implements Membership {
  readonly self: SelfIdentity
  readonly #views: Views
  readonly #disk: Adopted
  readonly #clock: Clock
  #stopped = false

  constructor(init: { peer: string; views: Views; disk: Adopted; clock: Clock }) {
    super()
    this.#views = init.views
    this.#disk = init.disk
    this.#clock = init.clock
    this.self = { peer: init.peer, incarnation: init.disk.incarnation, boot: init.disk.boot }
  }

  get view(): View | undefined {
    return this.#views.all[this.#disk.view - 1]
  }

  get settled(): number {
    return this.#disk.settled
  }

  unsettledViews(): readonly View[] {
    return this.#views.all.slice(this.#disk.settled - 1, this.#disk.view)
  }

  async catchUp(number: number): Promise<View> {
    await new Promise<void>((resolve) => {
      this.#clock.schedule(1, resolve)
    })
    this.learn(number)
    const { view } = this
    if (view === undefined || view.number < number) {
      throw new UnavailableError(`no view ${number}`)
    }
    return view
  }

  learn(number: number): void {
    const view = this.#views.all[number - 1]
    if (view !== undefined && number > this.#disk.view && !this.#stopped) {
      const previous = this.view
      if (previous === undefined) {
        // A joiner is told both by whoever admits it.
        this.#disk.settled = Math.min(this.#views.settled, number)
      }
      this.#disk.view = number
      this.safeDispatchEvent('view', { detail: { previous, view } })
      this.learnSettled(this.#disk.settledHeard)
    }
  }

  learnSettled(heard: number): void {
    this.#disk.settledHeard = Math.max(this.#disk.settledHeard, heard)
    const number = Math.min(this.#disk.settledHeard, this.#disk.view)
    if (number > this.#disk.settled && !this.#stopped) {
      this.#disk.settled = number
      this.safeDispatchEvent('settled', { detail: { settled: number } })
    }
  }

  reportSettled(number: number): void {
    const view = this.#views.all[number - 1]
    if (view?.members.some((member) => member.incarnation === this.self.incarnation)) {
      this.#views.report(number, this.self.peer)
    }
  }

  reachability(): Reachability {
    return 'reachable'
  }

  leave(): Promise<void> {
    return Promise.resolve()
  }

  start(): void {}

  stop(): void {
    this.#stopped = true
  }
}
