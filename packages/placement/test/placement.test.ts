import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AgentRecord, View } from '@murmuration/interface'
import { createPlacement, slotOf } from '../src/index.ts'
import { agents, member, peers, peersOf, view } from './views.ts'

/** Hash of the homes of all slots, with PeerIds. */
function digest(of: View, replicas: number): string {
  const hash = createHash('sha256')
  const placement = createPlacement(of)
  for (let slot = 0; slot < of.placement.slots; slot += 1) {
    hash.update(`${peersOf(placement.homeOfSlot(slot, replicas)).join(',')}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

function ownersBySlot(of: View): Map<string, number> {
  const counts = new Map<string, number>()
  const placement = createPlacement(of)
  for (let slot = 0; slot < of.placement.slots; slot += 1) {
    const [owner] = placement.homeOfSlot(slot, 1)
    counts.set(owner?.peer ?? '', (counts.get(owner?.peer ?? '') ?? 0) + 1)
  }
  return counts
}

const five = [
  member('12D3KooWA', { zone: 'x' }),
  member('12D3KooWB', { zone: 'x', weight: 2 }),
  member('12D3KooWC', { zone: 'y' }),
  member('12D3KooWD', { zone: 'y', weight: 1 }),
  member('12D3KooWE')
]

describe('slotOf', () => {
  it.each([
    ['', 16_384, 6396],
    ['default/light/kitchen', 16_384, 12762],
    ['default/light/kitchen', 65_536, 45530],
    ['default/light/kitchen', 1000, 882],
    ['köche/🍳/1', 16_384, 5717]
  ])('puts %o of %i slots into slot %i', (key, slots, slot) => {
    expect(slotOf(key, slots)).toBe(slot)
  })

  it('has 16,384 slots unless told otherwise', () => {
    expect(slotOf('default/light/kitchen')).toBe(slotOf('default/light/kitchen', 16_384))
  })

  it('is the first 48 bits of SHA-256 modulo the number of slots', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 1_048_576 }), (key, slots) => {
        const bits = createHash('sha256').update(key).digest().readUIntBE(0, 6)
        expect(slotOf(key, slots)).toBe(bits % slots)
      })
    )
  })

  it.each([0, -1, 1.5, Number.NaN, 1_048_577])('refuses %d slots', (slots) => {
    expect(() => slotOf('a', slots)).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})

describe('homeOf', () => {
  it.each<[number, string[]]>([
    [0, ['12D3KooWD', '12D3KooWE', '12D3KooWB', '12D3KooWA', '12D3KooWC']],
    [1, ['12D3KooWE', '12D3KooWD', '12D3KooWB', '12D3KooWA', '12D3KooWC']],
    [2, ['12D3KooWE', '12D3KooWD', '12D3KooWB', '12D3KooWC', '12D3KooWA']],
    [777, ['12D3KooWC', '12D3KooWA', '12D3KooWE', '12D3KooWB', '12D3KooWD']],
    [16383, ['12D3KooWD', '12D3KooWB', '12D3KooWE', '12D3KooWC', '12D3KooWA']]
  ])('of slot %i is %j', (slot, home) => {
    expect(peersOf(createPlacement(view(five)).homeOfSlot(slot, 5))).toEqual(home)
  })

  it('gives the tables that were agreed for this hash function', () => {
    expect(digest(view(five), 3)).toBe('a992eb538b99731b')
    expect(digest(view(peers(20), 1024), 3)).toBe('7fe8841a0749cf9b')
    expect(digest(view(peers(7), 1000), 7)).toBe('beaa78cecc1b4556')
  })

  it('does not depend on the order of members or their incarnations', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ peer: fc.string(), zone: fc.constantFrom('a', 'b', 'c') }), {
          minLength: 1,
          maxLength: 12,
          selector: ({ peer }) => peer
        }),
        fc.integer(),
        (traits, seed) => {
          const members = traits.map(({ peer, zone }) => member(peer, { zone }))
          const reborn = traits.map(({ peer, zone }) => member(peer, { zone, incarnation: '2' }))
          const shuffled = fc.sample(fc.shuffledSubarray(reborn, { minLength: reborn.length }), {
            seed,
            numRuns: 1
          })[0]
          expect(digest(view(shuffled ?? [], 64), 4)).toBe(digest(view(members, 64), 4))
        }
      )
    )
  })

  it('has different members, as many as asked for or as there are', () => {
    for (const count of [0, 1, 2, 3, 5, 9]) {
      const placement = createPlacement(view(peers(count), 64))
      for (let slot = 0; slot < 64; slot += 1) {
        let larger: string[] = []
        for (let replicas = 7; replicas >= 1; replicas -= 1) {
          const home = peersOf(placement.homeOfSlot(slot, replicas))
          expect(home).toHaveLength(Math.min(replicas, count))
          expect(new Set(home).size).toBe(home.length)
          // The home for fewer replicas is the beginning of the home for more.
          expect(replicas === 7 ? home : larger.slice(0, home.length)).toEqual(home)
          larger = home
        }
      }
    }
  })

  it('is empty in a view without members', () => {
    const placement = createPlacement(view([]))
    const [agent] = agents(1)
    expect(agent && placement.homeOf(agent)).toEqual([])
    expect(agent && placement.ownerOf(agent)).toBeUndefined()
  })

  it('spreads over as many zones as there are, and keeps the best in rank as the first', () => {
    const members = Array.from({ length: 12 }, (_, index) =>
      member(`peer-${index}`, { zone: `zone-${index < 8 ? 0 : index % 3}` })
    )
    const spread = createPlacement(view(members, 256))
    const flat = createPlacement(
      view(
        members.map(({ peer }) => member(peer)),
        2048
      )
    )
    for (let slot = 0; slot < 256; slot += 1) {
      const zonesOf = (replicas: number): number =>
        new Set(spread.homeOfSlot(slot, replicas).map(({ labels }) => labels['zone'])).size
      expect([1, 2, 3, 5].map(zonesOf)).toEqual([1, 2, 3, 3])
      const [first] = spread.homeOfSlot(slot, 3)
      expect(first?.peer).toBe(flat.homeOfSlot(slot, 3)[0]?.peer)
      // Zones run out at three; then rank decides among the others.
      const five5 = peersOf(spread.homeOfSlot(slot, 5))
      const ranked = peersOf(flat.homeOfSlot(slot, 7)).filter(
        (peer) => !five5.slice(0, 3).includes(peer)
      )
      expect(five5.slice(3)).toEqual(ranked.slice(0, 2))
    }
  })

  it('takes members without a zone as zones of their own', () => {
    const members = [
      member('a', { zone: 'x' }),
      member('b', { zone: 'x' }),
      member('c'),
      member('d', { zone: 'peer c' })
    ]
    const placement = createPlacement(view(members, 256))
    for (let slot = 0; slot < 256; slot += 1) {
      const home = peersOf(placement.homeOfSlot(slot, 3))
      expect(home).toContain('c')
      expect(home).toContain('d')
    }
  })

  it('gives members their share by weight within a tenth', () => {
    const weights = [1, 1, 2, 2, 3, 4, 8, 10]
    const sum = weights.reduce((total, weight) => total + weight, 0)
    // Many slots, so that chance stays well below the tenth.
    const members = weights.map((weight, index) => member(`peer-${index}`, { weight }))
    const owners = ownersBySlot(view(members, 65_536))
    for (const { peer, weight } of members) {
      const share = (owners.get(peer) ?? 0) / 65_536
      expect(share / (weight / sum), peer).toBeGreaterThan(0.9)
      expect(share / (weight / sum), peer).toBeLessThan(1.1)
    }
  })

  it('is as even as chance', () => {
    // Chi-squared with 49 degrees of freedom, added up over 10 clusters: 490, deviation 31.
    let sum = 0
    for (let cluster = 0; cluster < 10; cluster += 1) {
      const owners = ownersBySlot(view(peers(50, `cluster-${cluster}`), 4096))
      const mean = 4096 / 50
      for (const count of owners.values()) {
        sum += (count - mean) ** 2 / mean
      }
    }
    expect(sum).toBeGreaterThan(490 - 5 * 31)
    expect(sum).toBeLessThan(490 + 5 * 31)
  })

  it('is the same for agents with the same shard key', () => {
    const placement = createPlacement(view(peers(10)))
    const a: AgentRecord = { id: 'd/t/1', shardKey: 'home-7', placement: 'hash', replicas: 3 }
    const b: AgentRecord = { id: 'd/t/2', shardKey: 'home-7', placement: 'hash', replicas: 3 }
    expect(placement.slotOf(a)).toBe(slotOf('home-7'))
    expect(placement.homeOf(b)).toBe(placement.homeOf(a))
    expect(placement.slotOf({ id: 'd/t/1', placement: 'hash', replicas: 3 })).toBe(slotOf('d/t/1'))
  })

  it('forgets old keys and still gives the same slots', () => {
    const placement = createPlacement(view(peers(3), 64))
    const many = agents(70_000)
    for (const agent of many) {
      placement.slotOf(agent)
    }
    for (const agent of many.filter((_, index) => index % 1997 === 0)) {
      expect(placement.slotOf(agent)).toBe(slotOf(agent.id, 64))
    }
  })

  it('is remembered with its view, and cannot be changed', () => {
    const one = view(peers(3))
    expect(createPlacement(one)).toBe(createPlacement(one))
    const home = createPlacement(one).homeOfSlot(0, 2)
    expect(Object.isFrozen(home)).toBe(true)
  })

  it.each([
    ['a slot below zero', -1, 3],
    ['a slot too high', 64, 3],
    ['half a slot', 0.5, 3],
    ['no replicas', 0, 0],
    ['eight replicas', 0, 8],
    ['half a replica', 0, 1.5]
  ])('refuses %s', (_name, slot, replicas) => {
    expect(() => createPlacement(view(peers(3), 64)).homeOfSlot(slot, replicas)).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})

describe('ownerOf', () => {
  it('is the first of the home', () => {
    const placement = createPlacement(view(peers(9)))
    for (const agent of agents(50)) {
      expect(placement.ownerOf(agent)).toBe(placement.homeOf(agent)[0])
      expect(placement.ownerOf({ ...agent, placement: 'load' })).toBe(placement.homeOf(agent)[0])
    }
  })

  it('is the peer that a pinned agent names, if it is in the view', () => {
    const placement = createPlacement(view(peers(4)))
    const pinned = { placement: 'pinned', replicas: 3 } as const
    expect(placement.ownerOf({ id: 'default/sensor/peer-2', ...pinned })?.peer).toBe('peer-2')
    expect(placement.ownerOf({ id: 'default/sensor/peer-9', ...pinned })).toBeUndefined()
    expect(placement.ownerOf({ id: 'default/sensor/a/peer-2', ...pinned })).toBeUndefined()
    expect(() => placement.ownerOf({ id: 'peer-2', ...pinned })).toThrow('namespace/type/key')
    expect(() => placement.ownerOf({ id: 'sensor/peer-2', ...pinned })).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})

describe('a moved agent', () => {
  const members = peers(5)
  const lamp: AgentRecord = { id: 'default/lamp/1', placement: 'hash', replicas: 3 }
  const home = createPlacement(view(members)).homeOf(lamp)
  const outside = members.find((one) => !home.includes(one))?.peer ?? ''

  it('is owned by the member that the view names, and kept where it was', () => {
    const moved = createPlacement({ ...view(members), moved: [{ peer: outside, keys: [lamp.id] }] })
    expect(moved.ownerOf(lamp)?.peer).toBe(outside)
    expect(moved.homeOf(lamp)).toEqual(home)
    expect(moved.ownerOf({ ...lamp, id: 'default/lamp/2' })).toBe(
      moved.homeOf({ ...lamp, id: 'default/lamp/2' })[0]
    )
  })

  it('takes those with its shard key along, and nothing pinned', () => {
    const key = { ...view(members), moved: [{ peer: outside, keys: ['north'] }] }
    const placement = createPlacement(key)
    expect(placement.ownerOf({ ...lamp, shardKey: 'north' })?.peer).toBe(outside)
    expect(placement.ownerOf({ ...lamp, id: 'default/lamp/2', shardKey: 'north' })?.peer).toBe(
      outside
    )
    const pinned: AgentRecord = { id: 'default/host/peer-2', placement: 'pinned', replicas: 3 }
    const named = { ...view(members), moved: [{ peer: outside, keys: [pinned.id] }] }
    expect(createPlacement(named).ownerOf(pinned)?.peer).toBe('peer-2')
  })

  it('is where hashing puts it when its member is not in the view', () => {
    const gone = { ...view(members), moved: [{ peer: 'nobody', keys: [lamp.id] }] }
    expect(createPlacement(gone).ownerOf(lamp)).toBe(home[0])
  })
})

describe('an agent of a type that the steward of a branch takes', () => {
  const members = peers(5)
  const agreed = view(members)
  const ids = Array.from({ length: 40 }, (_, at) => `default/desk/${at}`)
  const desk = (id: string): AgentRecord => ({ id, placement: 'hash', replicas: 3 })
  const branch = { id: 'b', agreed, steward: 'peer-3', began: 0, stewarded: ['default/desk'] }
  const placement = createPlacement({ ...agreed, members: members.slice(2), branch })

  it('is owned by the steward, and kept where hashing puts it', () => {
    for (const id of ids) expect(placement.ownerOf(desk(id))?.peer).toBe('peer-3')
    expect(new Set(ids.map((id) => placement.homeOf(desk(id))[0]?.peer)).size).toBe(3)
    const moved = [{ peer: 'peer-4', keys: ids }]
    const other = createPlacement({ ...agreed, members: members.slice(2), branch, moved })
    expect(other.ownerOf(desk(ids[0] ?? ''))?.peer).toBe('peer-3')
  })

  it('is not one of another type or namespace, nor pinned, nor in the agreed view', () => {
    for (const type of ['default/desks', 'other/desk', 'default/des']) {
      const owners = ids.map((_, at) => placement.ownerOf(desk(`${type}/${at}`))?.peer)
      expect(new Set(owners).size).toBeGreaterThan(1)
    }
    const pinned: AgentRecord = { id: 'default/desk/peer-2', placement: 'pinned', replicas: 3 }
    expect(placement.ownerOf(pinned)?.peer).toBe('peer-2')
    const owners = ids.map((id) => createPlacement(agreed).ownerOf(desk(id))?.peer)
    expect(new Set(owners).size).toBeGreaterThan(1)
  })
})

describe('createPlacement', () => {
  it.each<[string, View, string]>([
    ['a peer twice', view([member('a'), member('a')]), 'the peer a is in the view twice'],
    ['no weight', view([member('a', { weight: 0 })]), 'the weight of a'],
    ['a huge weight', view([member('a', { weight: 1001 })]), 'the weight of a'],
    ['a weight that is no number', view([member('a', { weight: Number.NaN })]), 'the weight of a'],
    ['no slots', view([], 0), 'the number of slots'],
    [
      'an unknown hash function',
      // @ts-expect-error a later version on purpose
      { ...view([]), placement: { hash: 'sha256-hrw-2', slots: 64, zoneLabel: 'zone' } },
      'hash function'
    ]
  ])('refuses a view with %s', (_name, bad, message) => {
    expect(() => createPlacement(bad)).toThrow(
      expect.objectContaining({
        name: 'InvalidParametersError',
        message: expect.stringContaining(message)
      })
    )
  })
})
