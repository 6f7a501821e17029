import { describe, expect, test } from 'vitest'
import { isMajority } from '../src/index.ts'
import { Cluster, namesOf } from './cluster.ts'

const sizes = Array.from({ length: 12 }, (_, index) => index + 1)

/** The largest number that may be lost at once, whoever it is, and without the tie-breaker. */
const survives: readonly (readonly [anyone: number, others: number])[] = [
  [0, 0],
  [0, 1],
  [1, 1],
  [1, 2],
  [2, 2],
  [2, 3],
  [3, 3],
  [3, 4],
  [4, 4],
  [4, 5],
  [5, 5],
  [5, 6]
]

async function loses(count: number, victims: readonly string[]): Promise<Cluster> {
  const cluster = new Cluster({ seed: count })
  const names = await cluster.form(count)
  await cluster.simulation.run(2000)
  for (const victim of victims) {
    cluster.crash(victim)
  }
  const others = names.filter((name) => !victims.includes(name))
  await cluster.simulation.until(() => cluster.isAgreed(others), 12_000)
  cluster.assertSound()
  return cluster
}

describe('what is survived at one moment', () => {
  test.each(sizes)('%i members', async (count) => {
    const [anyone, others] = survives[count - 1] ?? [0, 0]
    const names = namesOf(count)
    // The tie-breaker is a, the founder.
    const staying = names.slice(anyone)
    expect((await loses(count, names.slice(0, anyone))).isAgreed(staying)).toBe(true)
    const left = names.slice(0, count - others)
    expect((await loses(count, names.slice(count - others))).isAgreed(left)).toBe(true)
    if (anyone + 1 < count) {
      const cluster = await loses(count, names.slice(0, anyone + 1))
      expect(cluster.isAgreed(names.slice(anyone + 1))).toBe(false)
      const { view } = cluster.of(names[anyone + 1] ?? '')
      expect(view && isMajority(view, new Set(names.slice(anyone + 1)))).toBe(false)
    }
  })
})

describe('what is survived when members are frozen, and come back', () => {
  test.each(sizes)('%i members', async (count) => {
    const [anyone] = survives[count - 1] ?? [0]
    const cluster = new Cluster({ seed: count })
    const names = await cluster.form(count)
    await cluster.simulation.run(1000)
    const victims = names.slice(0, anyone)
    for (const victim of victims) {
      cluster.simulation.pause(victim)
    }
    await cluster.agree(names.slice(anyone), 9000)
    expect(names.slice(anyone).every((name) => cluster.of(name).lease.held)).toBe(true)
    for (const victim of victims) {
      cluster.simulation.resume(victim)
    }
    await cluster.agree(names)
    cluster.assertSound()
  })
})

describe('what is survived when members are cut off, and come back', () => {
  test.each(sizes.slice(1))('%i members', async (count) => {
    const [anyone, others] = survives[count - 1] ?? [0, 0]
    const cluster = new Cluster({ seed: count })
    const names = await cluster.form(count)
    // Once the tie-breaker is with the fewer ones, once with the more.
    for (const size of [anyone, others]) {
      const { tieBreaker } = cluster.of('a').view ?? {}
      const order = names.toSorted((a, b) => Number(b === tieBreaker) - Number(a === tieBreaker))
      const cut = size === anyone ? order.slice(0, size) : order.slice(count - size)
      const rest = names.filter((name) => !cut.includes(name))
      cluster.simulation.split(cut, rest)
      await cluster.agree(rest, 9000)
      for (const name of cut) {
        expect(cluster.of(name).view?.number).toBeLessThan(
          cluster.of(rest[0] ?? '').view?.number ?? 0
        )
        expect(cluster.of(name).lease.held).toBe(false)
      }
      cluster.simulation.heal()
      await cluster.agree(names)
    }
    cluster.assertSound()
  })
})

describe('more members than watch each other', () => {
  test.each([12, 25, 50])('%i: a killed one is out in a second', async (count) => {
    const cluster = new Cluster({ seed: count })
    const names = numbered(count)
    await formAll(cluster, names)
    const [victim] = names.slice(7, 8)
    cluster.crash(victim ?? '')
    const took = await cluster.agree(names.filter((name) => name !== victim))
    expect(took).toBeLessThan(1000)
    cluster.assertSound()
  })

  test.each([12, 25])('%i: a silent one is out, a short stall removes nobody', async (count) => {
    const cluster = new Cluster({ seed: count })
    const names = numbered(count)
    await formAll(cluster, names)
    const [victim = ''] = names.slice(3, 4)
    const number = cluster.of(victim).view?.number
    cluster.simulation.pause(victim)
    await cluster.simulation.run(4900)
    cluster.simulation.resume(victim)
    await cluster.simulation.run(5000)
    expect(cluster.of(victim).view?.number).toBe(number)
    cluster.crash(victim, { machine: true })
    const took = await cluster.agree(names.filter((name) => name !== victim))
    expect(took).toBeGreaterThan(5500)
    expect(took).toBeLessThan(9000)
  })

  test('25: views settle, and a minority of four decides nothing and knows it', async () => {
    const cluster = new Cluster({ seed: 3 })
    const names = numbered(25)
    await formAll(cluster, names)
    const number = cluster.of('n00').view?.number
    const isSettled = (): boolean => names.every((name) => cluster.of(name).settled === number)
    expect(await cluster.simulation.until(isSettled, 10_000)).toBe(true)
    const [small, large] = [names.slice(0, 4), names.slice(4)]
    cluster.simulation.split(small, large)
    await cluster.agree(large, 30_000)
    // The accusations of the last silent ones are passed on.
    await cluster.simulation.run(2000)
    for (const name of small) {
      const { view } = cluster.of(name)
      expect(view?.number).toBe(number)
      const reached = names.filter((other) => cluster.of(name).reachability(other) === 'reachable')
      expect(reached.every((other) => small.includes(other))).toBe(true)
      expect(view && isMajority(view, new Set(reached))).toBe(false)
    }
    cluster.simulation.heal()
    await cluster.agree(names, 30_000)
    cluster.assertSound()
  })
})

function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `n${String(index).padStart(2, '0')}`)
}

async function formAll(cluster: Cluster, names: readonly string[]): Promise<void> {
  for (const name of names) {
    cluster.start(name, { contacts: () => ['n00'], found: name === 'n00' })
  }
  await cluster.agree(names, 60_000)
  await cluster.simulation.run(2000)
}
