import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConnectionKeeper } from '../src/core/keeper.ts'
import type { KeeperAction } from '../src/core/keeper.ts'
import { KeeperPair, settings } from './keeper-pair.ts'
import { createSeededRandom } from './virtual-time.ts'

const random = createSeededRandom(1)
const none = new Map<string, []>()

function keeperOf(self: string, overrides: Partial<typeof settings> = {}): ConnectionKeeper {
  return new ConnectionKeeper(self, random, { ...settings, ...overrides })
}

function dialled(actions: readonly KeeperAction[]): readonly string[] {
  return actions.filter(({ type }) => type === 'dial').map(({ peer }) => peer)
}

function link(id: string, outbound: boolean, openedAt = 0) {
  return { id, outbound, openedAt }
}

/** Runs a keeper whose every dial fails at once; returns the times of the dials. */
function dialTimes(keeper: ConnectionKeeper, from: number, until: number): number[] {
  const times: number[] = []
  for (let now = from; ;) {
    for (const { type, peer } of keeper.step(now)) {
      if (type === 'dial') {
        times.push(now)
        keeper.dialEnded(peer, now)
      }
    }
    const next = keeper.nextAt()
    if (next === undefined || next > until) {
      return times
    }
    now = next
  }
}

describe('who dials', () => {
  it('dials a kept peer at once from the lower side', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x', 'y'] }], 0)
    expect(keeper.step(0)).toEqual([{ type: 'dial', peer: 'b', addresses: ['x', 'y'] }])
  })

  it('waits on the higher side and dials after the first grace if nothing came', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    const at = keeper.nextAt() ?? 0
    expect(at).toBeGreaterThanOrEqual(500)
    expect(at).toBeLessThanOrEqual(750)
    expect(keeper.step(at - 1)).toEqual([])
    expect(dialled(keeper.step(at))).toEqual(['a'])
  })

  it('waits the longer grace after losing a connection that the lower side had dialled', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    keeper.observe(new Map([['a', [link('1', false)]]]), 100)
    keeper.observe(none, 50_000)
    const wait = (keeper.nextAt() ?? 0) - 50_000
    expect(wait).toBeGreaterThanOrEqual(3_000)
    expect(wait).toBeLessThanOrEqual(4_600)
  })

  it('waits only the short grace where the lower side never managed to dial', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    keeper.observe(new Map([['a', [link('1', true)]]]), 100)
    keeper.observe(none, 50_000)
    expect((keeper.nextAt() ?? 0) - 50_000).toBeLessThanOrEqual(850)
  })

  it('leaves the dialling to the lower side while connections come in, for at most 10 s', () => {
    const keeper = keeperOf('z')
    const open = new Map<string, ReturnType<typeof link>[]>()
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    let dialAt = -1
    for (let now = 0; now < 20_000 && dialAt < 0; now += 10) {
      if (now % 400 === 0) {
        open.set(`other ${now}`, [link(String(now), false)])
        keeper.observe(open, now)
      }
      dialAt = dialled(keeper.step(now)).length > 0 ? now : -1
    }
    expect(dialAt).toBe(10_000)
  })

  it('dials half a second after connections have ceased to come in', () => {
    const keeper = keeperOf('z')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    keeper.observe(new Map([['b', [link('1', false)]]]), 400)
    const times: number[] = []
    for (let now = 400; now < 5_000 && times.length === 0; now += 10) {
      if (dialled(keeper.step(now)).length > 0) times.push(now)
    }
    expect(times[0]).toBeGreaterThanOrEqual(900)
    expect(times[0]).toBeLessThanOrEqual(1_200)
  })

  it('does not dial itself', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    expect(keeper.found({ peer: 'a', addresses: ['x'] }, 0)).toBe(false)
    expect(keeper.nextAt()).toBeUndefined()
    expect(keeper.kept()).toEqual([])
  })

  it('does not dial a peer that is no longer kept, and leaves its connection alone', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    keeper.observe(new Map([['b', [link('1', true)]]]), 0)
    keeper.keep([], 1)
    keeper.observe(new Map([['b', [link('1', true), link('2', false)]]]), 2)
    expect(keeper.step(100_000)).toEqual([])
    keeper.observe(none, 100_000)
    expect(keeper.nextAt()).toBeUndefined()
  })

  it('bounds the dials in flight, own duties first, and hints apart', () => {
    const keeper = keeperOf('c', { parallelDialsMax: 2, firstGraceMs: 0 })
    keeper.found({ peer: 'x', addresses: ['x'] }, 0)
    keeper.found({ peer: 'y', addresses: ['x'] }, 0)
    keeper.keep(
      ['a', 'd', 'e', 'f'].map((peer) => ({ peer, addresses: ['x'] })),
      0
    )
    expect(dialled(keeper.step(0))).toEqual(['d', 'e', 'x'])
    expect(keeper.nextAt()).toBeUndefined()
    keeper.dialEnded('d', 2)
    expect(dialled(keeper.step(2))).toEqual(['f'])
    keeper.observe(new Map([['e', [link('1', true)]]]), 3)
    keeper.dialEnded('e', 3)
    expect(dialled(keeper.step(3))).toEqual(['a'])
    keeper.dialEnded('x', 4)
    expect(dialled(keeper.step(4))).toEqual(['y'])
  })
})

describe('back-off', () => {
  it('tries often in the first second and never gives up within an hour', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    const times = dialTimes(keeper, 0, 3_600_000)
    expect(times.filter((at) => at <= 1_000).length).toBeGreaterThanOrEqual(3)
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000)
    // The mean gap is half the ceiling: about 720 dials in an hour, not thousands.
    expect(times.length).toBeGreaterThan(500)
    expect(times.length).toBeLessThan(1_000)
  })

  it('begins small again after a connection that lasted', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    dialTimes(keeper, 0, 100_000)
    keeper.observe(new Map([['b', [link('1', true)]]]), 200_000)
    keeper.observe(none, 300_000)
    expect((keeper.nextAt() ?? 0) - 300_000).toBeLessThanOrEqual(100)
  })

  it('keeps growing against a peer that accepts and closes at once', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    let dials = 0
    for (let now = 0; now <= 60_000; now = keeper.nextAt() ?? 60_001) {
      for (const { peer } of keeper.step(now)) {
        dials++
        keeper.observe(new Map([[peer, [link(String(dials), true)]]]), now)
        keeper.dialEnded(peer, now)
        keeper.observe(none, now + 1)
      }
    }
    expect(dials).toBeLessThan(40)
  })

  it('counts a dial that ended well without a connection as failed', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    keeper.step(0)
    keeper.dialEnded('b', 10)
    expect(keeper.nextAt()).toBeGreaterThanOrEqual(10)
  })

  it('dials soon after the addresses of a kept peer changed', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    dialTimes(keeper, 0, 100_000)
    keeper.keep([{ peer: 'a', addresses: ['y'] }], 100_000)
    expect(keeper.step(100_000)).toEqual([{ type: 'dial', peer: 'a', addresses: ['y'] }])
  })

  it('keeps its place in the back-off when keep() says the same again', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x', 'y'] }], 0)
    dialTimes(keeper, 0, 100_000)
    const before = keeper.nextAt()
    keeper.keep([{ peer: 'b', addresses: ['y', 'x'] }], 100_000)
    expect(keeper.nextAt()).toBe(before)
  })

  it('takes up all kept peers again after a stop that cut dials off', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    keeper.step(0)
    keeper.reset(10)
    expect(dialled(keeper.step(keeper.nextAt() ?? 0))).toEqual(['b'])
  })
})

describe('hints', () => {
  it('dials a found peer once per report and not at all above the bound of connections', () => {
    const keeper = keeperOf('a', { foundConnectionsMax: 1 })
    expect(keeper.found({ peer: 'b', addresses: ['x'] }, 0)).toBe(true)
    expect(keeper.found({ peer: 'b', addresses: ['x'] }, 0)).toBe(false)
    expect(dialled(keeper.step(0))).toEqual(['b'])
    keeper.dialEnded('b', 0)
    expect(keeper.nextAt()).toBeUndefined()
    keeper.found({ peer: 'b', addresses: ['x'] }, 5_000)
    expect(dialled(keeper.step(5_000))).toEqual(['b'])
    keeper.observe(new Map([['b', [link('1', true)]]]), 5_001)
    keeper.dialEnded('b', 5_001)
    keeper.found({ peer: 'c', addresses: ['x'] }, 5_002)
    expect(keeper.step(10_000)).toEqual([])
  })

  it('never lets a hint replace the address that keep() gave', () => {
    const keeper = keeperOf('a')
    keeper.found({ peer: 'b', addresses: ['forged 0'] }, 0)
    keeper.keep([{ peer: 'b', addresses: ['true'] }], 0)
    const dialledAddresses: string[][] = []
    for (let now = 0; dialledAddresses.length < 20; now = keeper.nextAt() ?? now) {
      keeper.found({ peer: 'b', addresses: [`forged ${dialledAddresses.length}`] }, now)
      for (const action of keeper.step(now)) {
        dialledAddresses.push(action.type === 'dial' ? [...action.addresses] : [])
        keeper.dialEnded('b', now)
      }
    }
    expect(dialledAddresses[0]).toEqual(['true'])
    expect(dialledAddresses.filter((addresses) => addresses.includes('true')).length).toBe(10)
    expect(dialledAddresses.every((all) => !all.includes('true') || all.length === 1)).toBe(true)
    expect(keeper.addressesOf('b')).toEqual({ addresses: ['true'], kept: true })
  })

  it('lets a fresh hint bring a kept peer forward, at most once a second', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    dialTimes(keeper, 0, 200_000)
    const ended = 200_000
    for (let index = 0; index < 5; index++) {
      keeper.found({ peer: 'b', addresses: [`fresh ${index}`] }, ended)
    }
    expect(keeper.nextAt()).toBeLessThanOrEqual(ended + 1_000)
    const times: number[] = []
    for (let now = ended; now < ended + 10_000; now += 10) {
      keeper.found({ peer: 'b', addresses: [`again ${now}`] }, now)
      for (const { peer } of keeper.step(now)) {
        times.push(now)
        keeper.dialEnded(peer, now)
      }
    }
    // Ten for the hints, and a few that the back-off would have made anyway.
    expect(times.length).toBeLessThanOrEqual(14)
  })

  it('stays bounded under a flood, forgets the oldest, and never a kept or connected peer', () => {
    const keeper = keeperOf('a', { foundPeersMax: 100 })
    keeper.keep([{ peer: 'kept', addresses: ['x'] }], 0)
    keeper.observe(new Map([['here', [link('1', true)]]]), 0)
    for (let index = 0; index < 5_000; index++) {
      keeper.found({ peer: `f${index}`, addresses: [`x${index}`, ...Array(40).fill('y')] }, index)
    }
    expect(keeper.size).toBeLessThanOrEqual(101)
    expect(keeper.addressesOf('f0').addresses).toEqual([])
    expect(keeper.addressesOf('f4999').addresses).toEqual(['x4999', 'y'])
    expect(keeper.kept()).toEqual(['kept'])
    expect(keeper.isConnected('here')).toBe(true)
  })
})

describe('duplicates', () => {
  it('keeps the connection that the lower peer dialled, and closes only after the settle time', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    keeper.observe(new Map([['a', [link('mine', true, 5), link('theirs', false, 6)]]]), 10)
    expect(keeper.nextAt()).toBe(1_510)
    expect(keeper.step(1_509)).toEqual([])
    expect(keeper.step(1_510)).toEqual([
      { type: 'resolve', peer: 'a', survivor: 'theirs', losers: ['mine'] }
    ])
  })

  it('chooses the same survivor on the other side, later', () => {
    const keeper = keeperOf('a')
    keeper.keep([{ peer: 'b', addresses: ['x'] }], 0)
    keeper.observe(new Map([['b', [link('theirs', false, 5), link('mine', true, 6)]]]), 10)
    expect(keeper.step(3_010)).toEqual([
      { type: 'resolve', peer: 'b', survivor: 'mine', losers: ['theirs'] }
    ])
  })

  it('closes the older of two of the same direction, on the side that dialled them only', () => {
    const both = new Map([['b', [link('old', true, 1), link('new', true, 2)]]])
    const dialler = keeperOf('a')
    dialler.keep([{ peer: 'b', addresses: ['x'] }], 0)
    dialler.observe(both, 10)
    expect(dialler.step(3_010)).toEqual([
      { type: 'resolve', peer: 'b', survivor: 'new', losers: ['old'] }
    ])
    const other = keeperOf('b')
    other.keep([{ peer: 'a', addresses: ['x'] }], 0)
    other.observe(new Map([['a', [link('old', false, 1), link('new', false, 2)]]]), 10)
    expect(other.step(10_000)).toEqual([])
  })

  it('does nothing about a duplicate that is gone before the settle time', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    keeper.observe(new Map([['a', [link('mine', true, 5), link('theirs', false, 6)]]]), 10)
    keeper.observe(new Map([['a', [link('mine', true, 5)]]]), 20)
    expect(keeper.nextAt()).toBeUndefined()
  })

  it('looks again where a close did not help', () => {
    const keeper = keeperOf('b')
    keeper.keep([{ peer: 'a', addresses: ['x'] }], 0)
    keeper.observe(new Map([['a', [link('mine', true, 5), link('theirs', false, 6)]]]), 10)
    keeper.step(1_510)
    expect(keeper.step(4_510)).toHaveLength(1)
  })
})

describe('two keepers on one network', () => {
  it('end with exactly one connection, and leave it alone, after any history', () => {
    const histories = fc.array(
      fc.record({
        event: fc.constantFrom('kill 0', 'kill 1', 'start 0', 'start 1', 'disturb'),
        after: fc.integer({ min: 0, max: 20_000 })
      }),
      { maxLength: 12 }
    )
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 400 }),
        fc.boolean(),
        histories,
        (seed, latency, isMute, history) => {
          const pair = new KeeperPair(createSeededRandom(seed), latency)
          pair.start(0)
          pair.start(1)
          pair.sides[0].canDial = !isMute
          for (const { event, after } of history) {
            const index = event.endsWith('0') ? 0 : 1
            if (event === 'disturb') pair.disturb()
            else if (event.startsWith('kill')) pair.kill(index)
            else if (pair.sides[index].keeper === undefined) pair.start(index)
            pair.run(after)
          }
          for (const index of [0, 1] as const) {
            if (pair.sides[index].keeper === undefined) pair.start(index)
          }
          pair.run(30_000)
          expect(pair.links).toHaveLength(1)
          const before = { dials: pair.dials, link: pair.links[0]?.id }
          pair.run(600_000)
          expect(pair.links.map(({ id }) => id)).toEqual([before.link])
          expect(pair.dials).toBe(before.dials)
        }
      ),
      { numRuns: 300 }
    )
  })

  it('resolve simultaneous dials in favour of the lower side', () => {
    const pair = new KeeperPair(createSeededRandom(7), 50)
    pair.start(0)
    pair.start(1)
    // Both sides are made to dial at the same moment.
    for (const side of pair.sides) {
      side.keeper?.keep([{ peer: side.other, addresses: ['moved'] }], 0)
    }
    pair.run(10_000)
    expect(pair.links.map(({ dialler }) => dialler)).toEqual(['a'])
  })

  it('meet a peer that was down for 40 s within a second of its return', () => {
    const waits: number[] = []
    for (let seed = 1; seed <= 100; seed++) {
      const pair = new KeeperPair(createSeededRandom(seed), 5)
      pair.start(0)
      pair.start(1)
      pair.run(5_000)
      const index = seed % 2 === 0 ? 0 : 1
      pair.kill(index)
      pair.run(40_000)
      pair.start(index)
      const from = pair.now
      while (pair.links.length === 0 && pair.now - from < 20_000) pair.run(10)
      waits.push(pair.now - from)
    }
    waits.sort((a, b) => a - b)
    expect(waits.at(-1)).toBeLessThanOrEqual(1_000)
    expect(waits[50]).toBeLessThanOrEqual(600)
  })

  it('meet again within a second where a peer is killed and back after 300 ms', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const pair = new KeeperPair(createSeededRandom(seed), 5)
      pair.start(0)
      pair.start(1)
      pair.run(5_000)
      const index = seed % 2 === 0 ? 0 : 1
      pair.kill(index)
      pair.run(300)
      pair.start(index)
      pair.run(1_000)
      expect(pair.links, `seed ${seed}`).not.toHaveLength(0)
    }
  })
})
