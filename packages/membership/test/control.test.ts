import { describe, expect, test } from 'vitest'
import type { ForcedMark } from '@murmuration/interface'
import { Cluster } from './cluster.ts'
import { announce } from './forgery.ts'

describe('a revoked peer', () => {
  test('is removed in the view that revokes it, and not admitted again, until it is reinstated', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(4)
    const number = cluster.of('a').view?.number ?? 0
    const view = await cluster.simulation.wait(
      cluster.of('b').propose({ revoke: { peers: ['d'] } }),
      2000
    )
    expect(view.number).toBe(number + 1)
    expect(view.members.map(({ peer }) => peer)).toEqual(['a', 'b', 'c'])
    expect(view.revoked).toEqual({ peers: ['d'], serials: [] })
    await cluster.simulation.run(100)
    const joining = cluster.simulation.wait(cluster.of('d').joined(), 5000)
    await expect(joining).rejects.toMatchObject({ name: 'JoinRefusedError', reason: 'revoked' })
    await cluster.simulation.run(5000)
    await cluster.agree(['a', 'b', 'c'], 0)
    expect(cluster.of('c').view?.number).toBe(number + 1)

    for (const name of ['a', 'b', 'c']) {
      cluster.crash(name)
      cluster.start(name, { found: false })
    }
    await cluster.simulation.run(5000)
    await cluster.agree(['a', 'b', 'c'], 0)
    void cluster.of('c').propose({ reinstate: { peers: ['d'] } })
    await cluster.agree(names)
    cluster.assertSound()
  })

  test('is known by the serial of its certificate, where peers show one', async () => {
    const cluster = new Cluster()
    const serials = new Map([['c', 'x1']])
    const serialOf = (peer: string): string | undefined => serials.get(peer)
    for (const name of ['a', 'b', 'c']) {
      cluster.start(name, { serialOf })
    }
    await cluster.agree(['a', 'b', 'c'])
    const proposal = { revoke: { serials: ['x1'] } }
    await cluster.simulation.wait(cluster.of('a').propose(proposal))
    await cluster.agree(['a', 'b'])
    await cluster.simulation.run(3000)
    await cluster.agree(['a', 'b'], 0)
    // With another certificate it is welcome.
    serials.set('c', 'x2')
    await cluster.agree(['a', 'b', 'c'])
  })

  test('needs a majority to be revoked, and bounds', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    cluster.simulation.split(['a'], ['b'], ['c'])
    await cluster.simulation.run(4000)
    const proposing = cluster.of('a').propose({ revoke: { peers: ['b'] } }, { timeoutMs: 3000 })
    await expect(cluster.simulation.wait(proposing)).rejects.toMatchObject({
      name: 'UnavailableError'
    })
    const many = Array.from({ length: 1025 }, (_, index) => `p${index}`)
    const tooMany = cluster.of('a').propose({ revoke: { peers: many } })
    await expect(tooMany).rejects.toMatchObject({ name: 'InvalidParametersError' })
    const empty = cluster.of('a').propose({ revoke: { peers: [''] } })
    await expect(empty).rejects.toMatchObject({ name: 'InvalidParametersError' })
    cluster.simulation.heal()
    await cluster.simulation.run(5000)
    await cluster.agree(['a', 'b', 'c'], 0)
  })
})

describe('a disk that is given up', () => {
  const reason = 'it burnt'

  test('is named by the view, loudly, and never admitted again; with an empty one its peer is', async () => {
    const cluster = new Cluster({ settles: false })
    await cluster.form(4)
    const { peer, incarnation } = cluster.of('d').self
    const lives = [{ peer, incarnation }]
    cluster.crash('d')
    await cluster.agree(['a', 'b', 'c'])
    const marks: ForcedMark[] = []
    cluster.of('c').addEventListener('forced', ({ detail }) => marks.push(detail.mark))
    const view = await cluster.simulation.wait(
      cluster.of('b').propose({ abandon: { lives, reason } })
    )
    expect(view.abandoned).toEqual(lives)
    await cluster.simulation.run(100)
    const { number } = view
    expect(marks).toEqual([{ view: number, base: number - 1, by: 'b', reason, abandoned: 1 }])
    expect(cluster.of('c').view?.unsafe).toEqual(marks)
    // The same again is there already.
    const again = await cluster.simulation.wait(
      cluster.of('a').propose({ abandon: { lives, reason } })
    )
    expect(again.number).toBe(number)
    cluster.start('d', { found: false })
    await cluster.simulation.run(5)
    const joining = cluster.simulation.wait(cluster.of('d').joined(), 5000)
    await expect(joining).rejects.toMatchObject({ reason: 'incarnation-retired' })
    cluster.crash('d')
    cluster.wipe('d')
    cluster.start('d', { found: false })
    await cluster.agree(['a', 'b', 'c', 'd'])
    expect(cluster.of('d').view?.abandoned).toEqual(lives)
    cluster.assertSound()
  })

  test('is none of a member, and none that nobody waits for', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    const { peer, incarnation } = cluster.of('b').self
    for (const abandon of [
      { lives: [{ peer, incarnation }], reason },
      { lives: [{ peer: 'x', incarnation: 'never' }], reason },
      { lives: [], reason: '' }
    ]) {
      const proposing = cluster.of('a').propose({ abandon })
      await expect(proposing).rejects.toMatchObject({ name: 'InvalidParametersError' })
    }
  })
})

describe('the record of a member', () => {
  test('follows its labels and its weight, and keeps its roles', async () => {
    const cluster = new Cluster()
    let weight = 100
    const labels = { zone: 'x' }
    const rolesOf = (): readonly ['member', 'edge'] => ['member', 'edge']
    cluster.start('a', { rolesOf })
    cluster.start('b', { labels: () => ({ ...labels }), weight: () => weight, rolesOf })
    await cluster.agree(['a', 'b'])
    const record = (): unknown => cluster.of('a').view?.members[1]
    const roles = ['member', 'edge']
    const protocols = { lowest: 1, highest: 1 }
    expect(record()).toMatchObject({ weight: 100, labels: { zone: 'x' }, roles, protocols })
    weight = 300
    labels.zone = 'y'
    await cluster.simulation.run(2000)
    expect(record()).toMatchObject({ weight: 300, labels: { zone: 'y' }, since: 2, roles })
    const number = cluster.of('a').view?.number
    // Nothing that may not be in a view ever comes in.
    weight = 5000
    await cluster.simulation.run(3000)
    expect(record()).toMatchObject({ weight: 300 })
    expect(cluster.of('a').view).toMatchObject({ number, protocols, leaseMs: 1500 })
  })
})

describe('a forced view', () => {
  async function lostMajority(): Promise<Cluster> {
    const cluster = new Cluster({ seed: 7 })
    await cluster.form(5)
    await cluster.simulation.run(2000)
    for (const name of ['a', 'b', 'c']) {
      cluster.crash(name, { machine: true })
    }
    await cluster.simulation.run(8000)
    return cluster
  }

  test('goes on without a majority, and is marked unsafe until somebody acknowledges that', async () => {
    const cluster = await lostMajority()
    const before = cluster.of('d').view?.number ?? 0
    const marks: ForcedMark[] = []
    for (const name of ['d', 'e']) {
      cluster.of(name).addEventListener('forced', ({ detail }) => marks.push(detail.mark))
    }
    const forcing = cluster.of('d').forceView({ members: ['d', 'e'], reason: 'the rack burnt' })
    const view = await cluster.simulation.wait(forcing, 5000)
    const { number } = view
    expect(number).toBeGreaterThanOrEqual(before + 1000)
    expect(number).toBeLessThan(before + 2000)
    const mark = { view: number, base: before, by: 'd', reason: 'the rack burnt' }
    expect(view.unsafe).toEqual([mark])
    await cluster.agree(['d', 'e'])
    expect(marks).toEqual([mark, mark])
    // What may hold unique data is not forgotten, and the members decide again.
    expect(cluster.of('e').unsettledViews().length).toBeGreaterThan(0)
    cluster.start('f', { contacts: () => ['e'] })
    await cluster.agree(['d', 'e', 'f'])
    expect(cluster.of('f').view).toMatchObject({ number: number + 1, unsafe: [mark] })
    await cluster.simulation.wait(cluster.of('f').propose({ acknowledgeForced: number }), 2000)
    expect(cluster.of('f').view?.unsafe).toEqual([])
    // It is recorded durably, and outlives restarts.
    cluster.crash('d')
    cluster.start('d', { found: false })
    await cluster.agree(['d', 'e', 'f'])
    cluster.assertSound()
  })

  test('is refused where a majority is there, a member is silent, or the members are strangers', async () => {
    const cluster = await lostMajority()
    const force = (members: readonly string[], reason = 'test'): Promise<unknown> =>
      cluster.simulation.wait(cluster.of('d').forceView({ members, reason }), 10_000)
    const wrong = { name: 'InvalidParametersError' }
    await expect(force(['d', 'x'])).rejects.toMatchObject(wrong)
    await expect(force(['e'])).rejects.toMatchObject(wrong)
    await expect(force(['d', 'e', 'e'])).rejects.toMatchObject(wrong)
    await expect(force(['d', 'e'], '')).rejects.toMatchObject(wrong)
    await expect(force(['a', 'd', 'e'])).rejects.toMatchObject({ name: 'UnavailableError' })
    cluster.start('a', { found: false })
    await cluster.simulation.run(3000)
    await expect(force(['d', 'e'])).rejects.toThrow(/majority can be reached/)
    cluster.assertSound()
  })

  test('wins over a majority that was only cut off, which joins anew and says what it loses', async () => {
    const cluster = new Cluster({ seed: 3, settles: false })
    const names = await cluster.form(5)
    await cluster.simulation.run(2000)
    const base = cluster.of('d').view?.number ?? 0
    cluster.simulation.split(['a', 'b', 'c'], ['d', 'e'])
    await cluster.agree(['a', 'b', 'c'])
    const lost: (readonly number[])[] = []
    for (const name of ['a', 'b', 'c']) {
      cluster.of(name).addEventListener('forced', ({ detail }) => lost.push(detail.lost))
    }
    const forcing = cluster.of('e').forceView({ members: ['e', 'd'], reason: 'cut off' })
    await cluster.simulation.wait(forcing, 5000)
    await cluster.agree(['d', 'e'])
    expect(cluster.of('d').view?.number).toBeGreaterThanOrEqual(base + 1000)
    cluster.simulation.heal()
    await cluster.agree(names, 30_000)
    expect(lost).toEqual([[base + 1], [base + 1], [base + 1]])
    // They joined anew, and keep the views that only they had.
    const { view } = cluster.of('a')
    expect(view?.members.find(({ peer }) => peer === 'a')?.since).toBeGreaterThan(base + 1000)
    expect(view?.unsafe).toMatchObject([{ by: 'e', base }])
    const numbers = cluster
      .of('a')
      .unsettledViews()
      .map(({ number }) => number)
    expect(numbers).toContain(base + 1)
    cluster.assertSound()
  })

  test('of two that are forced apart the higher one stays', async () => {
    const cluster = new Cluster({ seed: 5 })
    const names = await cluster.form(5)
    await cluster.simulation.run(2000)
    cluster.simulation.split(['a', 'b'], ['c'], ['d', 'e'])
    await cluster.simulation.run(8000)
    await cluster.simulation.wait(
      cluster.of('a').forceView({ members: ['a', 'b'], reason: 'left' }),
      5000
    )
    cluster.start('f', { contacts: () => ['a', 'b'] })
    await cluster.agree(['a', 'b', 'f'])
    await cluster.simulation.wait(
      cluster.of('e').forceView({ members: ['d', 'e'], reason: 'right' }),
      5000
    )
    cluster.simulation.heal()
    await cluster.agree([...names, 'f'], 60_000)
    const marks = cluster.of('c').view?.unsafe ?? []
    expect(['a', 'e']).toContain(marks[0]?.by)
  })
})

describe('a view that nobody has decided', () => {
  test('is not adopted, whoever announces it', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    const { view } = cluster.of('a')
    await cluster.simulation.wait(announce(cluster, { from: 'b', to: 'a', votes: [] }))
    await cluster.simulation.wait(announce(cluster, { from: 'b', to: 'c', votes: ['b'] }))
    await cluster.simulation.run(2000)
    expect(names.map((name) => cluster.of(name).view)).toEqual([view, view, view])
    cluster.assertSound()
  })
})
