import type { Member } from '@murmuration/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DocumentCopy } from '../../src/core/document-copy.ts'
import type { Entry } from '../../src/core/entry.ts'
import { memberKey } from '../../src/core/homes.ts'
import type { MemberKey } from '../../src/core/homes.ts'
import { Replication } from '../../src/core/replication.ts'
import type { SendItem } from '../../src/core/replication.ts'

type Waiter = Parameters<Replication['wait']>[1]

const self = 'o#0'
const epoch = { view: 1, boot: 1 }
const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const

function member(peer: string, incarnation = '0'): Member {
  return { peer, incarnation, addresses: [], labels: {}, weight: 100, since: 1 }
}

const inside = [member('o'), member('p'), member('q')]
/** The owner of a pinned document is mostly no replica of it. */
const outside = [member('p'), member('q'), member('r')]

/** An owner with its copy; the tests say what arrives where. */
class Owner {
  readonly copy = new DocumentCopy(record)
  readonly replication: Replication
  view = 1
  #sequence = 0
  readonly #writer: string

  constructor(home: readonly Member[], queueMax = 100, writer = 'w') {
    this.#writer = writer
    this.replication = new Replication({
      copy: this.copy,
      self: { key: self, peer: 'o' },
      queueMax
    })
    this.replication.rebase(home)
  }

  execute(key?: { readonly session: string; readonly sequence: number }): Entry {
    const entry = this.copy.execute({
      operations: [{ field: 'total', name: 'counter.increment', args: [1] }],
      writer: this.copy.writer(() => this.#writer),
      time: { time: this.view, tick: ++this.#sequence },
      epoch: { view: this.view, boot: 1 },
      key,
      result: new Uint8Array(0),
      deltaBytesMax: 1000
    })
    this.replication.added(entry)
    return entry
  }

  restamp(entry: Entry): Entry {
    const stamped = this.copy.restamp(entry, { view: ++this.view, boot: 1 })
    this.replication.added(stamped)
    return stamped
  }

  rebase(home: readonly Member[]): void {
    this.view++
    this.replication.rebase(home)
  }

  /** The full state reaches a member. */
  sync(...keys: readonly MemberKey[]): void {
    for (const key of keys) {
      this.replication.endFull(key, this.replication.beginFull(key))
    }
  }

  syncAll(): void {
    this.sync(...[...this.replication.targets].map(({ key }) => key))
  }

  /** Delivers what waits for a member and has it confirmed. */
  deliver(key: MemberKey): void {
    this.replication.confirm(key, entriesOf(this.replication.take(key, 1e6, 1e6)))
  }

  mode(key: MemberKey): string | undefined {
    return [...this.replication.targets].find((target) => target.key === key)?.mode
  }

  /** Whether whoever asks now is told at once. */
  acknowledged(entry: Entry): boolean {
    let told = false
    const confirmed = (): void => {
      told = true
    }
    this.replication.wait(entry, { copies: this.replication.needed, confirmed })()
    return told
  }

  /** The copies that were reported to whoever waits for these. */
  wait(entry: Entry, copies: Waiter['copies'] = this.replication.needed): number[] {
    const heard: number[] = []
    this.replication.wait(entry, { copies, confirmed: (count) => heard.push(count) })
    return heard
  }
}

function entriesOf(items: readonly SendItem[]): Entry[] {
  return items.flatMap((item) => (item.kind === 'entry' ? [item.entry] : []))
}

describe('an update is acknowledged', () => {
  test('with two copies on the home set, the own one included, once', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entry = owner.execute()
    const heard = owner.wait(entry)
    owner.replication.confirm(self, [entry])
    owner.replication.confirm(self, [entry])
    expect([heard, owner.replication.unacknowledged]).toEqual([[], 1])
    owner.replication.confirm('q#0', [entry])
    owner.replication.confirm('p#0', [entry])
    expect([heard, owner.replication.unacknowledged]).toEqual([[2], 0])
  })

  test('not by the copy of an owner outside of the home set', () => {
    const owner = new Owner(outside)
    owner.syncAll()
    const entry = owner.execute()
    const [heard, local] = [owner.wait(entry), owner.wait(entry, 'own')]
    owner.replication.confirm(self, [entry])
    owner.replication.confirm('p#0', [entry])
    expect([heard, local]).toEqual([[], [1]])
    owner.replication.confirm('r#0', [entry])
    expect(heard).toEqual([2])
  })

  test('not by strangers, and not by another life of a replica', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entry = owner.execute()
    const heard = owner.wait(entry)
    for (const key of ['x#0', 'p#1', 'q#1', 'p', '']) {
      owner.replication.confirm(key, [entry])
      owner.replication.endFull(key, [entry])
    }
    owner.replication.confirm(self, [entry])
    expect(heard).toEqual([])
  })

  test('not by a confirmation of its former stamp', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entry = owner.execute()
    owner.replication.confirm(self, [entry])
    const heard = owner.wait(entry)
    const stamped = owner.restamp(entry)
    owner.replication.confirm('p#0', [entry])
    owner.replication.confirm('q#0', [entry])
    expect([heard, owner.replication.unacknowledged]).toEqual([[], 1])
    owner.replication.confirm('p#0', [stamped])
    owner.replication.confirm('q#0', [stamped])
    expect(heard).toEqual([2])
  })

  test('in a later view by those of its replicas that stayed, not by those that left', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entry = owner.execute()
    const heard = owner.wait(entry, 3)
    owner.replication.confirm('p#0', [entry])
    owner.replication.confirm('q#0', [entry])
    owner.rebase([member('o'), member('q'), member('r')])
    owner.replication.confirm('p#0', [entry])
    expect([heard, owner.replication.unacknowledged, owner.replication.safe]).toEqual([
      [],
      1,
      false
    ])
    owner.replication.confirm(self, [entry])
    expect([heard, owner.replication.unacknowledged, owner.replication.safe]).toEqual([[], 0, true])
    owner.sync('r#0')
    expect(heard).toEqual([3])
  })

  test('by a majority of the replicas that there are by then, not of those before', () => {
    const owner = new Owner([member('o')])
    owner.syncAll()
    const entry = owner.execute()
    const heard = owner.wait(entry, 'majority')
    owner.rebase(inside)
    owner.replication.confirm(self, [entry])
    expect(heard).toEqual([])
    owner.sync('q#0')
    expect(heard).toEqual([2])
    owner.syncAll()
    const later = owner.execute()
    const also = owner.wait(later, 'majority')
    owner.rebase([member('o')])
    owner.replication.confirm(self, [later])
    expect(also).toEqual([1])
  })

  test('not by a replica that came back with an empty disk', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entry = owner.execute()
    owner.replication.confirm('p#0', [entry])
    const heard = owner.wait(entry)
    owner.rebase([member('o'), member('p', '1'), member('q')])
    owner.replication.confirm(self, [entry])
    expect([heard, owner.mode('p#1'), owner.mode('p#0')]).toEqual([[], 'full', undefined])
    owner.sync('p#1')
    expect(heard).toEqual([2])
  })

  test('by one copy where there is only one replica', () => {
    const owner = new Owner([member('o')])
    owner.syncAll()
    const entry = owner.execute()
    const heard = owner.wait(entry)
    owner.replication.confirm(self, [entry])
    expect([heard, owner.replication.needed]).toEqual([[1], 1])
  })

  test('not after another execution came to stand under its key', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const key = { session: 's', sequence: 0 }
    const entry = owner.execute(key)
    const heard = owner.wait(entry)
    const other = new Owner(inside, 100, 'v')
    other.view = 5
    const standing = other.execute(key)
    expect(owner.copy.add(standing)).toBe(standing)
    owner.replication.merged()
    owner.syncAll()
    expect([heard, owner.replication.durable]).toEqual([[], true])
  })

  test('at once where all replicas have it, and to nobody who stopped waiting', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entry = owner.execute()
    const heard: number[] = []
    const stop = owner.replication.wait(entry, { copies: 2, confirmed: (n) => heard.push(n) })
    stop()
    for (const key of [self, 'p#0', 'q#0']) owner.deliver(key)
    expect([heard, owner.replication.unconfirmed]).toEqual([[], 0])
    expect(owner.wait(entry)).toEqual([3])
  })
})

describe('a replica', () => {
  test('gets the full state first, then what is new, in order', () => {
    const owner = new Owner(inside)
    const first = owner.execute()
    expect([owner.mode('p#0'), owner.replication.take('p#0', 1e6, 10)]).toEqual(['full', []])
    const sent = owner.replication.beginFull('p#0')
    const second = owner.execute()
    expect([sent, owner.mode('p#0')]).toEqual([[first], 'putting'])
    owner.replication.endFull('p#0', sent)
    const third = owner.execute()
    const items = owner.replication.take('p#0', 1e6, 10)
    expect(entriesOf(items)).toEqual([second, third])
    owner.replication.putBack('p#0', items)
    const fourth = owner.execute()
    expect(entriesOf(owner.replication.take('p#0', 1e6, 2))).toEqual([second, third])
    // One item always goes, however large.
    expect(entriesOf(owner.replication.take('p#0', 1, 2))).toEqual([fourth])
  })

  test('whose queue is full gets the full state again', () => {
    const owner = new Owner(inside, 3)
    owner.syncAll()
    const entries = [1, 2, 3, 4].map(() => owner.execute())
    expect([owner.mode('p#0'), owner.replication.take('p#0', 1e6, 10)]).toEqual(['full', []])
    const heard = owner.wait(entries[3] ?? owner.execute())
    owner.sync('p#0', 'q#0')
    expect(heard).toEqual([2])
  })

  test('is not taken to hold a full state that is not the last one sent', () => {
    const owner = new Owner(inside)
    const entry = owner.execute()
    const heard = owner.wait(entry)
    const sent = owner.replication.beginFull('p#0')
    owner.replication.failFull('p#0', sent)
    owner.replication.endFull('p#0', sent)
    const again = owner.replication.beginFull('p#0')
    owner.replication.failFull('p#0', sent)
    expect(owner.mode('p#0')).toBe('putting')
    owner.rebase(inside)
    owner.replication.endFull('p#0', again)
    owner.sync('q#0')
    expect([owner.mode('p#0'), heard, owner.replication.synced()]).toEqual(['full', [], 1])
  })

  test('that lost something counts for nothing until it has the full state', () => {
    const owner = new Owner(inside)
    owner.execute()
    owner.syncAll()
    expect([owner.replication.durable, owner.replication.unconfirmed]).toEqual([true, 0])
    owner.replication.needsFull('p#0')
    owner.replication.needsFull('q#0')
    expect([owner.replication.durable, owner.replication.unacknowledged]).toEqual([false, 1])
    owner.sync('q#0')
    expect([owner.replication.durable, owner.replication.allSynced]).toEqual([true, false])
  })
})

describe('folding', () => {
  test('takes only what all replicas hold and the client has had confirmed', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const entries = [0, 1].map((sequence) => owner.execute({ session: 's', sequence }))
    owner.replication.passed('s', 2)
    entries.push(owner.execute({ session: 's', sequence: 2 }))
    expect(owner.replication.foldable(epoch)).toEqual([])
    for (const key of [self, 'p#0']) owner.deliver(key)
    expect(owner.replication.foldable(epoch)).toEqual([])
    owner.replication.confirm('q#0', entries.slice(1))
    expect(owner.replication.foldable(epoch)).toEqual([])
    owner.replication.confirm('q#0', entries)
    expect(owner.replication.foldable(epoch).map(({ to }) => to)).toEqual([2])
    owner.replication.needsFull('q#0')
    expect(owner.replication.foldable(epoch)).toEqual([])
  })

  test('relies on what a client says only when all replicas have confirmed something since', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    const execute = (sequence: number): void => void owner.execute({ session: 's', sequence })
    const deliver = (): void => {
      for (const key of [self, 'p#0', 'q#0']) owner.deliver(key)
    }
    const foldable = (): number[] => owner.replication.foldable(epoch).map(({ to }) => to)
    execute(0)
    deliver()
    // Another owner may have answered for 1 and 2.
    owner.replication.passed('s', 3)
    expect(foldable()).toEqual([])
    execute(3)
    expect(foldable()).toEqual([])
    // Lost with what another copy brought: the question was not answered.
    owner.replication.merged()
    owner.syncAll()
    expect(foldable()).toEqual([])
    execute(4)
    deliver()
    expect(foldable()).toEqual([3])
  })

  test('takes updates without a key as soon as all replicas hold them, and tells all', () => {
    const owner = new Owner(inside)
    owner.syncAll()
    owner.execute()
    owner.execute()
    for (const key of [self, 'p#0', 'q#0']) owner.deliver(key)
    const steps = owner.replication.foldable(epoch)
    expect(steps.map(({ session, from, to }) => [session, from, to])).toEqual([['~w', 0, 3]])
    expect(owner.copy.fold(steps)).toBe(true)
    owner.replication.folded(steps)
    for (const key of [self, 'p#0', 'q#0']) {
      expect(owner.replication.take(key, 1e6, 10).map(({ kind }) => kind)).toEqual(['fold'])
    }
    expect(owner.replication.foldable(epoch)).toEqual([])
  })

  test('waits for the disk of an owner outside of the home set too', () => {
    const owner = new Owner(outside)
    owner.syncAll()
    owner.execute()
    for (const key of ['p#0', 'q#0', 'r#0']) owner.deliver(key)
    expect(owner.replication.foldable(epoch)).toEqual([])
    owner.deliver(self)
    expect(owner.replication.foldable(epoch)).toHaveLength(1)
  })
})

test('after the end of a tenure nobody hears of copies any more', () => {
  const owner = new Owner(inside)
  owner.syncAll()
  const entry = owner.execute()
  const heard = owner.wait(entry)
  owner.replication.end()
  for (const key of [self, 'p#0', 'q#0']) owner.replication.confirm(key, [entry])
  expect(heard).toEqual([])
  expect([owner.replication.unconfirmed, [...owner.replication.targets]]).toEqual([0, []])
})

interface Step {
  readonly kind: 'execute' | 'restamp' | 'take' | 'ok' | 'late' | 'put' | 'lost' | 'view' | 'merged'
  readonly at: number
  readonly home: number
}

const weights: readonly (readonly [Step['kind'], number])[] = [
  ['execute', 6],
  ['take', 6],
  ['ok', 6],
  ['late', 2],
  ['put', 6],
  ['restamp', 2],
  ['lost', 1],
  ['view', 1],
  ['merged', 1]
]
/** All with W = 2, which whoever waits here waits for. */
const homes = [
  inside,
  outside,
  [member('o'), member('q', '1'), member('r')],
  [member('p', '1'), member('s'), member('t'), member('q')],
  [member('o'), member('p')]
]
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...weights.map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))),
  at: fc.nat({ max: 50 }),
  home: fc.nat({ max: homes.length - 1 })
})

/** Any order of messages, and beside the owner the truth: who has confirmed what. */
class Play {
  readonly owner: Owner
  home: readonly Member[]
  /** Entries that a member has said to hold, in the life and state that it is in. */
  readonly #held = new Map<MemberKey, Set<Entry>>()
  readonly #underWay: { readonly key: MemberKey; readonly items: readonly Entry[] }[] = []
  readonly #states: { readonly key: MemberKey; readonly entries: readonly Entry[] }[] = []

  constructor(home: readonly Member[]) {
    this.home = home
    this.owner = new Owner(home, 20)
  }

  holders(entry: Entry): number {
    return this.home.filter((one) => this.#held.get(memberKey(one))?.has(entry) === true).length
  }

  run({ kind, at, home }: Step): void {
    const { copy, replication } = this.owner
    const targets = [...replication.targets]
    const target = targets[at % targets.length]
    const entries = [...copy.entries()]
    const entry = entries[at % (entries.length || 1)]
    if (target === undefined) return
    switch (kind) {
      case 'execute':
        this.#watch(this.owner.execute({ session: 's', sequence: at }))
        break
      case 'restamp':
        if (entry !== undefined) this.#watch(this.owner.restamp(entry))
        break
      case 'take': {
        const items = entriesOf(replication.take(target.key, 500, 4))
        this.#underWay.push({ key: target.key, items })
        break
      }
      case 'ok':
      case 'late': {
        // Late: a former confirmation comes a second time.
        const from = at % (this.#underWay.length || 1)
        const [message] = this.#underWay.slice(from, from + 1)
        if (kind === 'ok') this.#underWay.splice(from, 1)
        if (message !== undefined) this.#confirm(message.key, message.items)
        break
      }
      case 'put':
        this.#put(target.key, at)
        break
      case 'lost':
        this.#held.delete(target.key)
        this.#underWay.splice(0)
        this.#states.splice(0)
        replication.needsFull(target.key)
        break
      case 'view':
        this.home = homes[home] ?? inside
        this.owner.rebase(this.home)
        break
      case 'merged':
        replication.merged()
    }
  }

  /** In the end everything arrives. */
  finish(): void {
    const { replication } = this.owner
    for (const { key } of replication.targets) {
      const entries = replication.beginFull(key)
      this.#hold(key, entries)
      replication.endFull(key, entries)
    }
  }

  #put(key: MemberKey, at: number): void {
    const { replication } = this.owner
    const [state] = this.#states.splice(at % (this.#states.length || 1), 1)
    if (state === undefined || at % 3 === 0) {
      this.#states.push({ key, entries: replication.beginFull(key) })
    } else if (at % 3 === 1) {
      replication.failFull(state.key, state.entries)
    } else {
      this.#hold(state.key, state.entries)
      replication.endFull(state.key, state.entries)
    }
  }

  #confirm(key: MemberKey, entries: readonly Entry[]): void {
    this.#hold(key, entries)
    this.owner.replication.confirm(key, entries)
  }

  #hold(key: MemberKey, entries: readonly Entry[]): void {
    const held = this.#held.get(key) ?? new Set()
    entries.forEach((entry) => held.add(entry))
    this.#held.set(key, held)
  }

  /** Nobody may ever hear of more copies than there are. */
  #watch(entry: Entry): void {
    const copies = this.owner.replication.needed
    this.owner.replication.wait(entry, {
      copies,
      confirmed: (count) => {
        // Its waiters go over to the entry with a newer stamp.
        const standing = this.owner.copy.get(entry.key) ?? entry
        expect(this.holders(standing)).toBeGreaterThanOrEqual(Math.min(copies, count))
      }
    })
  }
}

test('in any order of messages nobody hears of copies that are not there', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80, size: 'max' }),
      fc.nat({ max: 4 }),
      (steps, first) => {
        const play = new Play(homes[first] ?? inside)
        const { owner } = play
        for (const one of steps) {
          // An update of a key that stands already would be a repetition.
          if (one.kind === 'execute' && owner.copy.get(`${one.at}/s`) !== undefined) continue
          play.run(one)
          const entries = [...owner.copy.entries()]
          const short = entries.filter((entry) => !owner.acknowledged(entry))
          expect(owner.replication.unacknowledged).toBe(short.length)
          for (const entry of entries.filter((each) => !short.includes(each))) {
            expect(play.holders(entry)).toBeGreaterThanOrEqual(owner.replication.needed)
          }
          if (owner.replication.durable) expect(short).toEqual([])
        }
        play.finish()
        expect(owner.replication.allSynced && owner.replication.durable).toBe(true)
        expect([owner.replication.unacknowledged, owner.replication.unconfirmed]).toEqual([0, 0])
        expect(owner.replication.safe).toBe(true)
      }
    ),
    { numRuns: 300 }
  )
})
