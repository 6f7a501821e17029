import { describe, expect, test } from 'vitest'
import { Cluster, namesOf } from './cluster.ts'

const drifted = 1500 * 1.05

describe('the lease of a peer', () => {
  test.each([1, 2, 3, 5, 12, 25])('is held by all %i members, without a gap', async (count) => {
    const cluster = new Cluster({ seed: count })
    const names = await cluster.form(count)
    const isHeld = (): boolean => names.every((name) => cluster.of(name).lease.held)
    expect(await cluster.simulation.until(isHeld, 3000)).toBe(true)
    for (let step = 0; step < 40; step++) {
      await cluster.simulation.run(100)
      expect(isHeld()).toBe(true)
      expect(cluster.of('a').lease.remainingMs).toBeLessThanOrEqual(1500)
    }
  })

  test('goes on through views that have the peer', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(1000)
    const lapses: boolean[] = []
    cluster.of('b').addEventListener('lease', ({ detail }) => lapses.push(detail.held))
    for (const name of ['d', 'e', 'f']) {
      cluster.start(name)
      await cluster.simulation.run(1000)
    }
    cluster.crash('c')
    await cluster.agree(['a', 'b', 'd', 'e', 'f'])
    await cluster.simulation.run(3000)
    expect(lapses).toEqual([])
  })

  test('is told to who waits, also where a renewal comes before its lapse was noticed', async () => {
    const cluster = new Cluster()
    await cluster.form(1)
    await cluster.simulation.run(1000)
    cluster.simulation.pause('a')
    await cluster.simulation.run(3000)
    const { lease } = cluster.of('a')
    const told: boolean[] = []
    cluster.of('a').addEventListener('lease', ({ detail }) => told.push(detail.held))
    expect(lease.held).toBe(false)
    const waiting = cluster.simulation.wait(lease.whenHeld(), 1000)
    cluster.simulation.resume('a')
    await waiting
    expect(told).toEqual([false, true])
  })

  test('lapses on the smaller side of a split, and is held again after it', async () => {
    const cluster = new Cluster()
    await cluster.form(5)
    await cluster.simulation.run(1000)
    const told: boolean[] = []
    const { lease } = cluster.of('d')
    cluster.of('d').addEventListener('lease', ({ detail }) => told.push(detail.held))
    cluster.simulation.split(['a', 'b', 'c'], ['d', 'e'])
    await cluster.simulation.run(1500)
    expect(lease.held).toBe(false)
    expect(lease.remainingMs).toBe(0)
    expect(cluster.of('a').lease.held).toBe(true)
    await expect(
      cluster.simulation.wait(lease.whenHeld({ timeoutMs: 1000 }))
    ).rejects.toMatchObject({ name: 'UnavailableError' })
    const controller = new AbortController()
    const waiting = expect(lease.whenHeld({ signal: controller.signal })).rejects.toMatchObject({
      name: 'AbortedError'
    })
    controller.abort()
    await waiting
    cluster.simulation.heal()
    await cluster.simulation.wait(lease.whenHeld(), 2000)
    expect(told).toEqual([false, true])
  })

  test('is not held by a process that wakes after a pause', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(1000)
    cluster.simulation.pause('b')
    await cluster.simulation.run(2000)
    expect(cluster.of('b').lease.held).toBe(false)
    cluster.simulation.resume('b')
    await cluster.simulation.wait(cluster.of('b').lease.whenHeld(), 1000)
  })

  test('is not trusted when the wall clock says that the machine was suspended', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(1000)
    cluster.simulation.skew('b', 60_000)
    expect(cluster.of('b').lease.held).toBe(false)
    await cluster.simulation.wait(cluster.of('b').lease.whenHeld(), 1000)
    expect(cluster.of('a').lease.held).toBe(true)
  })

  test('takes one lease to come back where all acceptors have restarted', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    for (const name of names) {
      cluster.crash(name)
      await cluster.simulation.wait(cluster.start(name, { found: false }).membership.start())
    }
    const took = await time(cluster, () => cluster.of('a').lease.held)
    expect(took).toBeGreaterThan(1400)
    expect(took).toBeLessThan(2500)
  })
})

describe('an owner', () => {
  test('is replaceable once it is out and its last lease has ended, and not before', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(5000)
    const owner = cluster.of('c').self
    expect(cluster.of('a').mayReplace(owner)).toBe(false)
    cluster.crash('c')
    const crashedAt = cluster.simulation.now
    const waiting = cluster.simulation.wait(cluster.of('a').whenReplaceable(owner), 10_000)
    await cluster.agree(['a', 'b'])
    expect(cluster.of('a').mayReplace(owner)).toBe(false)
    await waiting
    const took = cluster.simulation.now - crashedAt
    // Granted up to half a second before the crash.
    expect(took).toBeGreaterThan(1000)
    expect(took).toBeLessThan(1.05 * drifted + 300)
    expect(cluster.of('b').mayReplace(owner)).toBe(true)
  })

  test('that fell silent long before it was removed is replaceable at once', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(3000)
    const owner = cluster.of('c').self
    cluster.crash('c', { machine: true })
    await cluster.agree(['a', 'b'])
    expect(cluster.of('a').mayReplace(owner)).toBe(true)
  })

  test('of an earlier boot is replaceable as soon as the next boot is heard', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(3000)
    const owner = cluster.of('c').self
    cluster.crash('c', { machine: true })
    cluster.start('c', { found: false })
    await cluster.simulation.run(700)
    const { boot, ...anyBoot } = owner
    expect(cluster.of('a').mayReplace({ ...anyBoot, boot })).toBe(true)
    expect(cluster.of('a').mayReplace({ ...anyBoot, boot: boot + 1 })).toBe(false)
    expect(cluster.of('a').mayReplace(anyBoot)).toBe(false)
  })

  test('with a lost disk is replaceable, its new incarnation is not', async () => {
    const cluster = new Cluster()
    const names = await cluster.form(3)
    await cluster.simulation.run(3000)
    const owner = cluster.of('c').self
    cluster.crash('c')
    cluster.wipe('c')
    cluster.start('c', { found: false })
    await cluster.agree(names)
    await cluster.simulation.wait(cluster.of('a').whenReplaceable(owner), 2000)
    expect(cluster.of('a').mayReplace(cluster.of('c').self)).toBe(false)
  })

  test('that was out before this peer came is replaceable after one lease', async () => {
    const cluster = new Cluster()
    await cluster.form(3)
    await cluster.simulation.run(3000)
    const owner = cluster.of('c').self
    cluster.crash('c')
    await cluster.agree(['a', 'b'])
    cluster.start('d')
    await cluster.agree(['a', 'b', 'd'])
    expect(cluster.of('d').mayReplace(owner)).toBe(false)
    await cluster.simulation.wait(cluster.of('d').whenReplaceable(owner), 2000)
  })

  test('that is a member is waited for until the caller gives up', async () => {
    const cluster = new Cluster()
    await cluster.form(1)
    expect(namesOf(1)).toEqual(['a'])
    await expect(
      cluster.simulation.wait(
        cluster.of('a').whenReplaceable(cluster.of('a').self, { timeoutMs: 100 })
      )
    ).rejects.toMatchObject({ name: 'UnavailableError' })
  })
})

async function time(cluster: Cluster, holds: () => boolean): Promise<number> {
  const from = cluster.simulation.now
  expect(await cluster.simulation.until(holds, 20_000)).toBe(true)
  return cluster.simulation.now - from
}
