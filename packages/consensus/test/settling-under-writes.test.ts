import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { isSettled, start, startPeer } from './peers.ts'

const registers = 60
const everyMs = 400

/**
 * How long a view needs to be settled after a fifth peer has joined, where all registers are written
 * all the time and a message takes this long.
 */
async function settledAfter(seed: number, delayMs: readonly [number, number]): Promise<number> {
  const simulation = createSimulation({ seed })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const write = (index: number): Promise<unknown> => {
    const key = { id: `r${index}`, replicas: 3 }
    const writer = peers[index % peers.length]!.registers
    return writer.change(key, (value) => Uint8Array.of((value?.[0] ?? 0) + 1))
  }
  const indices = Array.from({ length: registers }, (_, index) => index)
  await simulation.wait(Promise.all(indices.map(write)))
  simulation.conditions({ delayMs })
  const again = (index: number): void => {
    void write(index)
    simulation.after(everyMs, () => again(index))
  }
  for (const index of indices) {
    simulation.after((index * everyMs) / registers, () => again(index))
  }
  await simulation.run(4000)
  const all = [...peers, startPeer(simulation, 'e')]
  const began = simulation.now
  const isDone = (): boolean =>
    all.every(({ membership }) => membership.view?.members.length === 5) &&
    isSettled(simulation, all)
  expect(await simulation.until(isDone, 60_000)).toBe(true)
  return Math.round(simulation.now - began)
}

// Where moves competed with writers and with each other, two of these took 5.1 and 8.3 s.
test.each([1, 2, 3])(
  'a view is settled while its registers are written (seed %i)',
  async (seed) => {
    expect(await settledAfter(seed, [50, 200])).toBeLessThan(4500)
  }
)

// Where a message was given up after a second whatever had happened before, nothing was ever agreed.
test('a view is settled where answers take longer than a message may at first', async () => {
  expect(await settledAfter(4, [520, 700])).toBeLessThan(30_000)
})
