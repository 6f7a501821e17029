import { describe, expect, it } from 'vitest'
import { member, MotionWorld } from './motion-world.ts'
import type { WorldInit } from './motion-world.ts'

const old = ['a', 'b', 'c'].map((peer) => member(peer))
const joining = (...peers: string[]): WorldInit['members'] => [
  ...old,
  ...peers.map((peer) => member(peer, { ownerWeight: 0 }))
]

/** Each agent that a view moves was asked and copied to where it goes, since the view before. */
function assertMadeBefore(world: MotionWorld, perView: number): void {
  let ready = { asked: new Set<string>(), copied: new Set<string>() }
  let last = firstView(world)
  for (const one of world.happened) {
    if (one.type !== 'view') {
      ready[one.type].add(`${one.id} ${one.to}`)
      continue
    }
    const moved = world.ids.filter((id) => world.ownerOf(id, last) !== world.ownerOf(id, one.view))
    expect(moved.length).toBeLessThanOrEqual(perView)
    for (const id of moved) {
      const leg = `${id} ${world.ownerOf(id, one.view)}`
      expect([leg, ready.asked.has(leg), ready.copied.has(leg)]).toEqual([leg, true, true])
    }
    ready = { asked: new Set<string>(), copied: new Set<string>() }
    last = one.view
  }
}

const firstViews = new WeakMap<MotionWorld, MotionWorld['view']>()
function made(init: WorldInit): MotionWorld {
  const world = new MotionWorld(init)
  firstViews.set(world, { ...world.view })
  return world
}
function firstView(world: MotionWorld): MotionWorld['view'] {
  const view = firstViews.get(world)
  if (view === undefined) throw new Error('made elsewhere')
  return view
}

describe('a member that joins', () => {
  it('gets its share some agents at a time, each asked and copied before the view that moves it', async () => {
    const world = made({ members: joining('d'), agents: 200, settings: { perView: 8 } })
    await world.untilStill('d')
    await world.simulation.run(500)
    assertMadeBefore(world, 8)
    expect(world.views().length).toBeGreaterThan(4)
    const share = world.owned('d').length
    expect(share).toBeGreaterThan(20)
    expect(world.of('d').progress).toMatchObject({ status: 'idle', moved: share, left: 0 })
    expect(world.of('a').peers()).toEqual([])
  })

  it('waits between two views until the last one is settled, and for a pause that is jittered', async () => {
    const world = made({ members: joining('d'), agents: 200, settleMs: 300 })
    await world.untilStill('d')
    const views = world.views()
    for (const { view, settled } of views) expect(settled).toBe(view.number - 1)
    const gaps = views.slice(1, -1).map(({ at }, index) => at - (views[index]?.at ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThan(300)
    expect(new Set(gaps.map(Math.round)).size).toBeGreaterThan(1)
  })

  it('gets all at once where there are no agents', async () => {
    const world = made({ members: joining('d', 'e'), agents: 0 })
    await world.untilStill('d', 200)
    await world.untilStill('e', 200)
    expect(world.views()).toHaveLength(1)
  })

  it('leaves agents where they are whose type refuses, or cannot say', async () => {
    const world = made({ members: joining('d'), agents: 120 })
    const before = new Map(world.ids.map((id) => [id, world.ownerOf(id)]))
    world.mayMove = (id) => {
      if (id.endsWith('1')) throw new Error('it is broken')
      return !id.endsWith('7')
    }
    await world.untilStill('d')
    assertMadeBefore(world, 8)
    const stubborn = world.ids.filter((id) => id.endsWith('1') || id.endsWith('7'))
    for (const id of stubborn) expect(world.ownerOf(id)).toBe(before.get(id))
    const kept = world.view.moved?.flatMap(({ keys }) => keys) ?? []
    expect(kept.length).toBeGreaterThan(0)
    expect(kept.every((id) => stubborn.includes(id))).toBe(true)
    expect(world.owned('d').length).toBeGreaterThan(10)
  })

  it('gets none while it is held, and goes on where it was', async () => {
    const world = made({ members: joining('d'), agents: 200 })
    const { simulation } = world
    await simulation.until(() => world.views().length === 2, 10_000)
    world.of('d').hold()
    const share = world.share('d')
    await simulation.run(5_000)
    expect(world.share('d')).toBe(share)
    expect(world.of('d').progress.status).toBe('held')
    expect(world.of('a').peers()).toEqual([
      { peer: 'd', weight: 100, ownerWeight: (share ?? 0) / 1000 }
    ])
    world.of('d').resume()
    await world.untilStill('d')
  })

  it('gets none from an owner that is silent, and says whom it waits for', async () => {
    const world = made({ members: joining('d'), agents: 100 })
    const { simulation } = world
    simulation.split(['a', 'b', 'd'], ['c'])
    await simulation.run(10_000)
    expect(world.share('d')).toBe(0)
    expect(world.of('d').progress).toMatchObject({ status: 'waiting' })
    expect(world.of('d').progress.reason).toContain('c')
    simulation.heal()
    await world.untilStill('d')
    assertMadeBefore(world, 8)
  })

  it.each(['majority', 'minority'] as const)(
    'gets none on the side of a split with a %s, and asks nobody',
    async (status) => {
      const world = made({ members: joining('d'), agents: 100, status })
      await world.simulation.run(10_000)
      expect([world.messages, world.proposals, world.share('d')]).toEqual([0, 0, 0])
      expect(world.of('d').progress.reason).toBe('some members are not reached')
      world.status = 'whole'
      await world.untilStill('d')
      assertMadeBefore(world, 8)
    }
  )

  it('gets none while copies of what moved before are not made, and asks nobody', async () => {
    const settings = { patienceMs: 60_000 }
    const world = made({ members: joining('d'), agents: 100, settled: 0, settings })
    await world.simulation.run(10_000)
    expect([world.messages, world.proposals, world.share('d')]).toEqual([0, 0, 0])
    world.settled = 1
    await world.untilStill('d')
  })

  it('waits for copies no longer than its patience, from the last change on', async () => {
    const world = made({ members: joining('d'), agents: 20, settled: 0, settleMs: 60_000 })
    const { simulation } = world
    await simulation.run(1_500)
    world.join('e')
    await simulation.run(1_900)
    expect([world.messages, world.proposals]).toEqual([0, 0])
    expect(world.of('d').progress.reason).toBe('copies are being made')
    await simulation.run(300)
    expect(world.proposals).toBe(1)
    await world.untilStill('d')
    await world.untilStill('e')
    for (const { settled } of world.views()) expect(settled).toBe(0)
    assertMadeBefore(world, 8)
  })

  it('waits for members that are not reached, whatever its patience', async () => {
    const status = 'majority'
    const world = made({ members: joining('d'), agents: 20, status, settings: { patienceMs: 0 } })
    await world.simulation.run(10_000)
    expect([world.messages, world.proposals]).toEqual([0, 0])
  })

  it('gets none of which it cannot have copies', async () => {
    const world = made({ members: joining('d'), agents: 100 })
    world.canCopy = false
    await world.simulation.run(10_000)
    expect(world.share('d')).toBe(0)
    expect(world.of('d').progress.reason).toContain('could not copy')
    world.canCopy = true
    await world.untilStill('d')
    assertMadeBefore(world, 8)
  })

  it('looks again when another share comes first, and not when an agent was moved', async () => {
    const world = made({ members: joining('d'), agents: 100 })
    let changes = 0
    world.mayMove = () => {
      // Between the question and the answer of a step.
      changes++
      if (changes === 1) world.decide((view) => ({ ...view, moved: [] }))
      if (changes === 10) {
        const members = world.view.members.map((one) =>
          one.peer === 'a' ? { ...one, weight: 90, ownerWeight: 100_000 } : one
        )
        world.decide((view) => ({ ...view, members }))
      }
      return true
    }
    await world.untilStill('d')
    await world.untilStill('a')
    expect(world.views().length).toBeGreaterThan(6)
  })

  it('rises to a weight that was raised, and falls to one that was lowered', async () => {
    const world = made({ members: old, agents: 150 })
    const few = world.owned('a').length
    const weighed = (weight: number): void => {
      world.decide((view) => ({
        ...view,
        members: view.members.map((one) =>
          one.peer === 'a'
            ? { ...one, weight, ownerWeight: one.ownerWeight ?? 1000 * one.weight }
            : one
        )
      }))
    }
    weighed(300)
    expect(world.owned('a')).toHaveLength(few)
    await world.untilStill('a')
    const many = world.owned('a').length
    expect(many).toBeGreaterThan(few)
    await world.simulation.run(1_000)
    weighed(100)
    expect(world.owned('a')).toHaveLength(many)
    await world.untilStill('a')
    expect(world.owned('a')).toHaveLength(few)
  })
})

describe('members that join together', () => {
  it('are brought their agents by one of them, and no agent moves twice', async () => {
    const world = made({ members: joining('d', 'e', 'f'), agents: 200 })
    const counts = new Map<string, number>()
    await world.untilStill('d')
    await world.untilStill('f')
    assertMadeBefore(world, 8)
    let last = firstView(world)
    for (const { view } of world.views()) {
      for (const id of world.ids) {
        if (world.ownerOf(id, last) !== world.ownerOf(id, view)) {
          counts.set(id, (counts.get(id) ?? 0) + 1)
        }
      }
      last = view
    }
    expect(Math.max(...counts.values())).toBe(1)
    expect(world.of('d').progress.moved).toBe(counts.size)
    expect(world.of('e').progress.moved).toBe(0)
  })

  it('are asked for by one of them alone, however long the copies before take', async () => {
    const names = ['d', 'e', 'f', 'g']
    const settings = { patienceMs: 20_000 }
    const world = made({ members: joining(...names), agents: 0, settled: 0, settings })
    await world.simulation.run(15_000)
    world.settled = 1
    for (const name of names) await world.untilStill(name, 1_000)
    expect(world.proposals).toBe(1)
    expect(world.messages).toBe(old.length + names.length)
  })

  it('go on without one that is held, whichever it is', async () => {
    for (const held of ['d', 'e']) {
      const world = made({ members: joining('d', 'e'), agents: 100 })
      world.of(held).hold()
      await world.untilStill(held === 'd' ? 'e' : 'd')
      expect(world.share(held)).toBe(0)
      assertMadeBefore(world, 8)
      world.of(held).resume()
      await world.untilStill(held)
    }
  })

  it.each([4, 16])(
    'ask by one of them, and bring %i to their share at the same cost',
    async (count) => {
      const names = Array.from({ length: count }, (_, at) => `d${10 + at}`)
      const world = made({ members: joining(...names), agents: 0 })
      for (const name of names) await world.untilStill(name, 2_000)
      await world.simulation.run(10_000)
      // One view, for which each owner is asked once.
      expect(world.views()).toHaveLength(1)
      expect(world.proposals).toBe(1)
      expect(world.messages).toBe(old.length + count)
    }
  )

  it('go on as others join all the time, and ask no more than once for each that does', async () => {
    const world = made({ members: joining('d'), agents: 100 })
    const { simulation } = world
    for (let at = 0; at < 12; at++) {
      await simulation.run(400)
      world.join(`e${10 + at}`)
    }
    const began = simulation.now
    await world.untilStill('d')
    await world.untilStill('e21')
    expect(simulation.now - began).toBeLessThan(10_000)
    expect(world.proposals).toBeLessThan(40)
    expect(world.messages).toBeLessThan(40 * world.view.members.length)
    assertMadeBefore(world, 8)
  })

  it('own by weight where all that had agents are gone, and nothing moves', async () => {
    const world = made({
      members: ['d', 'e'].map((peer) => member(peer, { ownerWeight: 0 })),
      agents: 60
    })
    const before = world.ids.map((id) => world.ownerOf(id))
    await world.untilStill('d')
    expect(world.ids.map((id) => world.ownerOf(id))).toEqual(before)
    expect(world.views()).toHaveLength(1)
  })
})

describe('a member that gives its agents away', () => {
  it('gives all of them, also those that were moved to it, each asked and copied before', async () => {
    const world = made({ members: [...old, member('d')], agents: 120 })
    const [guest = ''] = world.owned('a')
    world.decide((view) => ({ ...view, moved: [{ peer: 'b', keys: [guest] }] }))
    firstViews.set(world, world.view)
    world.happened.length = 0
    expect(world.ownerOf(guest)).toBe('b')
    await world.simulation.wait(world.of('b').giveAway(30_000), 40_000)
    expect(world.owned('b')).toEqual([])
    assertMadeBefore(world, 8)
    // It takes nothing any more.
    await world.simulation.run(5_000)
    expect(world.owned('b')).toEqual([])
  })

  it('does so in larger steps where time is short', async () => {
    const world = made({ members: old, agents: 300, settings: { perView: 1 } })
    await world.simulation.wait(world.of('b').giveAway(4_000), 10_000)
    expect(world.owned('b')).toEqual([])
    expect(world.views().length).toBeLessThan(20)
  })

  it('asks again those that refuse, until the time is up', async () => {
    const world = made({ members: old, agents: 60 })
    const [late = '', never = ''] = world.owned('b')
    let asked = 0
    world.mayMove = (id) => {
      if (id === late) return ++asked > 3
      return id !== never
    }
    await world.simulation.wait(world.of('b').giveAway(5_000), 10_000)
    expect(world.owned('b')).toEqual([never])
    expect(world.of('b').progress.refused).toEqual([never])
  })

  it('stays and takes them back when it is told so', async () => {
    const world = made({ members: old, agents: 100, settings: { perView: 4 } })
    const before = world.owned('b')
    const controller = new AbortController()
    const leaving = world.of('b').giveAway(60_000, controller)
    const outcome = leaving.catch((error: unknown) => error)
    await world.simulation.until(() => world.owned('b').length < before.length - 5, 10_000)
    controller.abort()
    expect(await world.simulation.wait(outcome)).toMatchObject({ name: 'AbortedError' })
    await world.untilStill('b')
    expect(world.owned('b')).toEqual(before)
  })

  it('has done so at once where it has none', async () => {
    const world = made({ members: old, agents: 0 })
    await world.simulation.wait(world.of('b').giveAway(5_000))
    expect(world.simulation.now).toBeLessThan(100)
    expect(world.views()).toEqual([])
  })
})
