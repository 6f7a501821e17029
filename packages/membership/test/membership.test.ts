import { describe, expect, test } from 'vitest'
import { Cluster, namesOf } from './cluster.ts'

const sizes = [1, 2, 3, 4, 5, 6, 7]

describe('founding and joining', () => {
  test.each(sizes)('%i peers come together in one view', async (count) => {
    const cluster = new Cluster()
    const names = await cluster.form(count)
    // Each view at most doubles the members.
    expect(cluster.of('a').view?.number).toBeLessThanOrEqual(1 + Math.ceil(Math.log2(count)))
    expect(cluster.of('a').view?.tieBreaker).toBe('a')
    expect(cluster.members('a')).toEqual(names)
    cluster.assertSound()
  })

  test('a peer that may not found waits until somebody else does', async () => {
    const cluster = new Cluster()
    const { membership } = cluster.start('a', { found: false, contacts: () => ['b'] })
    await cluster.simulation.run(10_000)
    expect(membership.view).toBeUndefined()
    expect(membership.settled).toBe(0)
    cluster.start('b', { found: true })
    await cluster.agree(['a', 'b'])
  })

  test('a hundred peers that join at once take a few views', { timeout: 60_000 }, async () => {
    const cluster = new Cluster()
    const contacts = (): readonly string[] => ['a']
    const names = Array.from({ length: 101 }, (_, index) => `p${String(index).padStart(3, '0')}`)
    cluster.start('a', { found: true })
    for (const name of names.slice(1)) {
      cluster.start(name, { found: false, contacts })
    }
    const all = ['a', ...names.slice(1)]
    const took = await cluster.agree(all, 30_000)
    const view = cluster.of('a').view
    expect(view?.members).toHaveLength(101)
    expect(view?.number).toBeLessThanOrEqual(12)
    expect(took).toBeLessThan(15_000)
    cluster.assertSound()
  })

  test('the joined promise gives the first view that has this peer in it', async () => {
    const cluster = new Cluster()
    cluster.start('a')
    const { membership } = cluster.start('b')
    await cluster.simulation.wait(membership.start())
    const view = await cluster.simulation.wait(membership.joined())
    expect(view.members.map(({ peer }) => peer)).toEqual(['a', 'b'])
  })

  test.each([
    [{ cluster: 'other' }, 'cluster-differs'],
    [{ placement: { slots: 65_536 } }, 'placement-differs']
  ])('a joiner with %o is refused with the reason', async (init, reason) => {
    const cluster = new Cluster()
    cluster.start('a')
    const { membership } = cluster.start('b', { found: false, ...init })
    await cluster.simulation.wait(membership.start())
    await expect(cluster.simulation.wait(membership.joined())).rejects.toMatchObject({
      name: 'JoinRefusedError',
      code: 'ERR_JOIN_REFUSED',
      reason
    })
    expect(cluster.members('a')).toEqual(['a'])
  })

  test('only peers with the role of a member are admitted', async () => {
    const cluster = new Cluster()
    cluster.start('a', { rolesOf: (peer) => (peer === 'b' ? ['member'] : ['guest']) })
    cluster.start('b')
    const { membership } = cluster.start('c')
    await cluster.simulation.wait(membership.start())
    await expect(cluster.simulation.wait(membership.joined())).rejects.toMatchObject({
      reason: 'role-missing'
    })
    await cluster.agree(['a', 'b'])
  })

  test('a member whose addresses change is recorded anew, with its seniority', async () => {
    const cluster = new Cluster()
    let addresses = ['/memory/1']
    cluster.start('a')
    cluster.start('b', { addresses: () => addresses })
    await cluster.agree(['a', 'b'])
    const recorded = (): unknown => cluster.of('a').view?.members[1]
    expect(recorded()).toMatchObject({ addresses: ['/memory/1'], since: 2 })
    addresses = ['/memory/2']
    await cluster.simulation.until(() => cluster.of('a').view?.number === 3, 5000)
    expect(recorded()).toMatchObject({ addresses: ['/memory/2'], since: 2 })
    await cluster.agree(['a', 'b'])
  })
})

describe('two founders', () => {
  test('of two peers that are alone, the one with the higher PeerId goes over', async () => {
    const cluster = new Cluster()
    cluster.start('b', { found: true })
    cluster.start('a', { found: true })
    await cluster.agree(['a', 'b'])
    expect(cluster.of('b').view?.tieBreaker).toBe('a')
    const [previous, now] = cluster.lives.get('b')?.views ?? []
    expect(previous).toMatchObject({ number: 1, tieBreaker: 'b' })
    expect(now).toMatchObject({ number: 2 })
  })

  test('five peers that all founded become one cluster', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new Cluster({ seed })
      for (const name of namesOf(5)) {
        cluster.start(name, { found: true })
      }
      await cluster.agree(namesOf(5), 60_000)
    }
  })

  test('a peer that is alone goes over to more, and its view number never goes down', async () => {
    const cluster = new Cluster()
    cluster.start('c', { found: true, contacts: () => [] })
    cluster.start('d', { found: false, contacts: () => ['c'] })
    await cluster.agree(['c', 'd'])
    await cluster.simulation.wait(cluster.of('d').leave())
    await cluster.simulation.until(() => cluster.members('c').length === 1, 5000)
    expect(cluster.of('c').view?.number).toBe(3)
    const [a] = [
      cluster.start('a', { found: true, contacts: () => [] }),
      cluster.start('b', { found: false, contacts: () => ['a'] })
    ]
    await cluster.agree(['a', 'b'])
    expect(a.membership.view?.number).toBe(2)
    cluster.simulation
      .node('c')
      .links.connect({ peer: 'a', addresses: [] })
      .catch(() => {})
    await cluster.agree(['a', 'b', 'c'], 60_000)
    expect(cluster.of('c').view?.number).toBeGreaterThan(3)
    expect(cluster.lives.get('c')?.views.map(({ number }) => number)).toEqual(
      cluster.lives
        .get('c')
        ?.views.map(({ number }) => number)
        .toSorted((x, y) => x - y)
    )
  })

  test('two clusters of more than one peer do not merge', async () => {
    const cluster = new Cluster()
    cluster.start('a', { found: true, contacts: () => [] })
    cluster.start('b', { found: false, contacts: () => ['a'] })
    cluster.start('c', { found: true, contacts: () => [] })
    cluster.start('d', { found: false, contacts: () => ['c'] })
    await cluster.agree(['a', 'b'])
    await cluster.agree(['c', 'd'])
    await cluster.simulation.wait(
      cluster.simulation.node('a').links.connect({ peer: 'c', addresses: [] })
    )
    await cluster.simulation.run(20_000)
    expect(cluster.members('a')).toEqual(['a', 'b'])
    expect(cluster.members('c')).toEqual(['c', 'd'])
  })
})

describe('removal', () => {
  test.each(sizes.filter((count) => count >= 3))(
    'of %i members any one can be killed: it is out within a second, and comes back',
    async (count) => {
      for (const victim of namesOf(count)) {
        const cluster = new Cluster({ seed: count })
        const names = await cluster.form(count)
        await cluster.simulation.run(3000)
        cluster.crash(victim)
        const others = names.filter((name) => name !== victim)
        expect(await cluster.agree(others)).toBeLessThan(1000)
        const { membership } = cluster.start(victim)
        await cluster.agree(names)
        expect(membership.self.boot).toBe(2)
        expect(membership.view?.members.find(({ peer }) => peer === victim)?.since).toBe(
          membership.view?.number
        )
        cluster.assertSound()
      }
    }
  )

  test.each(sizes.filter((count) => count >= 3))(
    'of %i members one that falls silent is out after more than 5.5 s',
    async (count) => {
      const cluster = new Cluster({ seed: count })
      const names = await cluster.form(count)
      await cluster.simulation.run(2000)
      cluster.crash('b', { machine: true })
      const took = await cluster.agree(names.filter((name) => name !== 'b'))
      expect(took).toBeGreaterThan(5500)
      expect(took).toBeLessThan(7500)
    }
  )

  test('of a pair, only the loss of the one that is not the tie-breaker is survived', async () => {
    const cluster = new Cluster()
    await cluster.form(2)
    cluster.crash('b')
    await cluster.agree(['a'])
    expect(cluster.of('a').view?.number).toBe(3)
    cluster.start('b')
    await cluster.agree(['a', 'b'])

    cluster.crash('a')
    await cluster.simulation.run(30_000)
    expect(cluster.of('b').view?.number).toBe(4)
    expect(cluster.of('b').reachability('a')).toBe('unreachable')
    cluster.start('a')
    await cluster.agree(['a', 'b'])
  })

  test('when the tie-breaker leaves, the one that has been there longest follows', async () => {
    const cluster = new Cluster()
    for (const name of ['a', 'c']) {
      cluster.start(name)
    }
    await cluster.agree(['a', 'c'])
    cluster.start('b')
    await cluster.agree(['a', 'b', 'c'])
    cluster.crash('a')
    await cluster.agree(['b', 'c'])
    expect(cluster.of('b').view?.tieBreaker).toBe('c')
    cluster.crash('b')
    await cluster.agree(['c'])
  })

  test.each(sizes.filter((count) => count >= 2))(
    'of %i members none is removed for a stall of less than 5 s, whoever stalls',
    async (count) => {
      for (const victim of namesOf(count)) {
        const cluster = new Cluster({ seed: count })
        const names = await cluster.form(count)
        await cluster.simulation.run(3000)
        const number = cluster.of('a').view?.number
        cluster.simulation.pause(victim)
        await cluster.simulation.run(4900)
        cluster.simulation.resume(victim)
        await cluster.simulation.run(10_000)
        await cluster.agree(names, 0)
        expect(cluster.of('a').view?.number).toBe(number)
        cluster.assertSound()
      }
    }
  )

  test('all members that stall at once remove nobody', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(5)
    const number = cluster.of('a').view?.number
    for (const name of names) {
      cluster.simulation.pause(name)
    }
    await cluster.simulation.run(20_000)
    for (const name of names) {
      cluster.simulation.resume(name)
    }
    await cluster.simulation.run(10_000)
    expect(cluster.of('a').view?.number).toBe(number)
  })

  test('a stall of 20 s removes the stalled one, which comes back by itself', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    cluster.simulation.pause('b')
    await cluster.agree(['a', 'c'])
    await cluster.simulation.run(12_000)
    cluster.simulation.resume('b')
    await cluster.agree(names)
    cluster.assertSound()
  })

  test('one broken link removes nobody while others hear both ends', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(4)
    const number = cluster.of('a').view?.number
    cluster.simulation.block('b', 'c')
    cluster.simulation.block('c', 'b')
    await cluster.simulation.run(30_000)
    expect(cluster.of('a').view?.number).toBe(number)
    expect(cluster.of('b').reachability('c')).toBe('unreachable')
    cluster.simulation.heal()
    await cluster.simulation.run(2000)
    expect(cluster.of('b').reachability('c')).toBe('reachable')
    await cluster.agree(names, 0)
  })

  test('a connection that breaks and comes back removes nobody', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    const number = cluster.of('a').view?.number
    for (let round = 0; round < 20; round++) {
      cluster.simulation.disconnect('a', 'b')
      await cluster.simulation.run(200)
    }
    await cluster.simulation.run(5000)
    expect(cluster.of('a').view?.number).toBe(number)
    expect(cluster.lives.get('a')?.reachability).toEqual([])
  })

  test('reachability is told: suspected, unreachable, reachable again', async () => {
    const cluster = new Cluster()
    await cluster.form(2)
    cluster.simulation.split(['a'], ['b'])
    await cluster.simulation.run(20_000)
    expect(cluster.lives.get('b')?.reachability).toEqual([
      { peer: 'a', reachability: 'suspected' },
      { peer: 'a', reachability: 'unreachable' }
    ])
    expect(cluster.of('b').reachability('b')).toBe('reachable')
    expect(cluster.of('b').reachability('z')).toBe('unreachable')
  })
})

describe('splits', () => {
  test.each([
    [
      ['a', 'b', 'c'],
      ['d', 'e']
    ],
    [
      ['c', 'd', 'e'],
      ['a', 'b']
    ],
    [
      ['a', 'b'],
      ['c', 'd']
    ],
    [['a'], ['b']]
  ])('%j decides, and %j keeps its view', async (majority, minority) => {
    const cluster = new Cluster()
    const names = await cluster.form(majority.length + minority.length)
    const number = cluster.of('a').view?.number
    cluster.simulation.split(majority, minority)
    await cluster.agree(majority)
    await cluster.simulation.run(60_000)
    for (const name of minority) {
      expect(cluster.of(name).view?.number).toBe(number)
      expect(cluster.of(name).reachability(majority[0] ?? '')).toBe('unreachable')
    }
    cluster.simulation.heal()
    await cluster.agree(names)
    cluster.assertSound()
  })

  test('a cluster in three parts decides nothing', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(6)
    const number = cluster.of('a').view?.number
    cluster.simulation.split(['a', 'b'], ['c', 'd'], ['e', 'f'])
    await cluster.simulation.run(60_000)
    expect(names.map((name) => cluster.of(name).view?.number)).toEqual(names.map(() => number))
    cluster.simulation.heal()
    await cluster.simulation.run(10_000)
    await cluster.agree(names)
  })
})

describe('restart', () => {
  test('with its disk it is the same member with a higher boot', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    const before = cluster.of('b').self
    const number = cluster.of('a').view?.number
    cluster.crash('b', { machine: true })
    await cluster.simulation.run(1000)
    const { membership } = cluster.start('b')
    await cluster.simulation.wait(membership.start())
    expect(membership.self).toEqual({ ...before, boot: 2 })
    expect(membership.view?.number).toBe(number)
    await cluster.simulation.run(10_000)
    await cluster.agree(names, 0)
    expect(cluster.of('a').view?.number).toBe(number)
  })

  test('with an empty disk it is a new incarnation that replaces the old one at once', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    const before = cluster.of('b').self
    const number = cluster.of('a').view?.number ?? 0
    cluster.crash('b', { machine: true })
    cluster.wipe('b')
    const { membership } = cluster.start('b')
    await cluster.simulation.wait(membership.start())
    const view = await cluster.simulation.wait(membership.joined())
    expect(membership.self.incarnation).not.toBe(before.incarnation)
    expect(view.number).toBe(number + 1)
    await cluster.agree(names)
    cluster.assertSound()
  })

  test('all at once, with their disks, they resume their view', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(5)
    const number = cluster.of('a').view?.number
    for (const name of names) {
      cluster.crash(name, { machine: true })
    }
    await cluster.simulation.run(60_000)
    for (const name of names) {
      cluster.start(name, { found: true })
    }
    await cluster.agree(names)
    await cluster.simulation.run(10_000)
    expect(cluster.of('c').view?.number).toBe(number)
  })

  test('a store that has lost a view is reported, not taken for a new one', async () => {
    const cluster = new Cluster()
    await cluster.form(2)
    cluster.crash('b')
    const { store } = cluster.simulation.node('b')
    const keys: string[] = []
    const read = async (): Promise<void> => {
      for await (const [key] of store.entries({ prefix: 'membership/view/' })) {
        keys.push(key)
      }
      await store.write(
        keys.map((key) => ({ key, value: undefined })),
        { sync: true }
      )
    }
    await cluster.simulation.wait(read())
    expect(keys.length).toBeGreaterThan(0)
    const { membership } = cluster.start('b', { found: true })
    await expect(cluster.simulation.wait(membership.start())).rejects.toMatchObject({
      name: 'CorruptDataError'
    })
  })

  test('while its store refuses writes it is silent, and afterwards it goes on', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    cluster.simulation.failWrites('b', true)
    cluster.start('d')
    await cluster.simulation.run(3000)
    expect(cluster.members('d')).toContain('a')
    expect(cluster.of('b').view?.number).toBeLessThan(cluster.of('d').view?.number ?? 0)
    cluster.simulation.failWrites('b', false)
    await cluster.agree(['a', 'b', 'c', 'd'], 60_000)
    cluster.assertSound()
  })
})

describe('leaving', () => {
  test.each(sizes.filter((count) => count >= 2))(
    'of %i members any one can leave, and stays away',
    async (count) => {
      for (const name of namesOf(count)) {
        const cluster = new Cluster({ seed: count })
        const names = await cluster.form(count)
        await cluster.simulation.wait(cluster.of(name).leave(), 3000)
        expect(cluster.members(name)).not.toContain(name)
        await cluster.simulation.run(5000)
        await cluster.agree(names.filter((other) => other !== name))
        cluster.assertSound()
      }
    }
  )

  test('the last member leaves at once, and resumes its view when it starts again', async () => {
    const cluster = new Cluster()
    await cluster.form(1)
    await cluster.simulation.wait(cluster.of('a').leave())
    expect(cluster.of('a').view?.number).toBe(1)
    cluster.crash('a')
    cluster.start('a')
    await cluster.agree(['a'])
  })

  test('leaving without a majority can be aborted', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    cluster.simulation.split(['a'], ['b'], ['c'])
    const controller = new AbortController()
    const leaving = cluster.of('b').leave({ signal: controller.signal })
    cluster.simulation.after(500, () => controller.abort())
    await expect(cluster.simulation.wait(leaving)).rejects.toMatchObject({ name: 'AbortedError' })
    cluster.simulation.heal()
    await cluster.simulation.run(10_000)
    await cluster.agree(names, 5000)
  })

  test('what is stopped fails its waiters and answers nobody', async () => {
    const cluster = new Cluster()
    const { membership } = cluster.start('a', { found: false })
    await cluster.simulation.wait(membership.start())
    const joining = expect(membership.joined()).rejects.toMatchObject({ name: 'NotStartedError' })
    await cluster.simulation.wait(membership.stop())
    await joining
    await expect(membership.leave()).rejects.toMatchObject({ name: 'NotStartedError' })
  })
})

describe('settling', () => {
  test('a view is settled when every member has reported exactly it', async () => {
    const cluster = new Cluster({ settles: false })
    const names = await cluster.form(3)
    const number = cluster.of('a').view?.number ?? 0
    cluster.of('a').reportSettled(number)
    cluster.of('b').reportSettled(number)
    cluster.of('c').reportSettled(number - 1)
    await cluster.simulation.run(5000)
    expect(cluster.of('a').settled).toBe(1)
    const c = cluster.of('c').self.peer
    expect(cluster.of('a').unreported).toEqual({ members: [c], layers: [] })
    expect(cluster.of('c').unreported).toEqual({ members: [c], layers: ['state'] })
    expect(
      cluster
        .of('c')
        .unsettledViews()
        .map((view) => view.number)
    ).toEqual(Array.from({ length: number }, (_, index) => index + 1))
    cluster.of('c').reportSettled(number)
    await cluster.simulation.run(2000)
    for (const name of names) {
      expect(cluster.of(name).settled).toBe(number)
      expect(cluster.of(name).unreported).toEqual({ members: [], layers: [] })
      expect(cluster.of(name).unsettledViews()).toHaveLength(1)
      expect(cluster.lives.get(name)?.settled.at(-1)).toBe(number)
    }
  })

  test('joiners get the unsettled views, and a restart keeps them', async () => {
    const cluster = new Cluster({ settles: false })
    const names = await cluster.form(5)
    const numbers = cluster
      .of('a')
      .unsettledViews()
      .map((view) => view.number)
    expect(numbers[0]).toBe(1)
    for (const name of names) {
      expect(cluster.of(name).unsettledViews()).toEqual(cluster.of('a').unsettledViews())
    }
    cluster.crash('d', { machine: true })
    const { membership } = cluster.start('d')
    await cluster.simulation.wait(membership.start())
    expect(membership.unsettledViews().map((view) => view.number)).toEqual(numbers)
    expect(membership.settled).toBe(1)
  })

  test('a view that is not adopted cannot be reported', async () => {
    const cluster = new Cluster()
    await cluster.form(1)
    expect(() => cluster.of('a').reportSettled(2)).toThrow(/not adopted/)
  })
})

describe('catching up', () => {
  test('a view is fetched from whoever has it', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    cluster.simulation.split(['a', 'b'], ['c'])
    await cluster.agree(['a', 'b'])
    const number = cluster.of('a').view?.number ?? 0
    cluster.simulation.heal()
    const view = await cluster.simulation.wait(cluster.of('c').catchUp(number, 'a'))
    expect(view.number).toBeGreaterThanOrEqual(number)
  })

  test('a view that nobody has is given up', async () => {
    const cluster = new Cluster()
    await cluster.form(2)
    await expect(cluster.simulation.wait(cluster.of('b').catchUp(99, 'a'))).rejects.toMatchObject({
      name: 'UnavailableError'
    })
  })
})
