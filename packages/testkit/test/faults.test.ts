import { describe, expect, test } from 'vitest'
import { createSimulation } from '../src/index.ts'
import type { Simulation } from '../src/index.ts'

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)

/** Which nodes reach which: `a→b` where a message arrives. */
async function ways(simulation: Simulation, names: readonly string[]): Promise<readonly string[]> {
  const arrived: string[] = []
  for (const name of names) {
    const { rpc } = simulation.node(name)
    rpc.unhandle('hello')
    rpc.handle('hello', (request, { peer }) => {
      arrived.push(`${peer}→${name}`)
      return request
    })
  }
  for (const from of names) {
    for (const to of names.filter((name) => name !== from)) {
      // Whether it is answered does not matter here.
      simulation
        .node(from)
        .rpc.call(to, 'hello', bytes(), { timeoutMs: 500 })
        .catch(() => {})
    }
  }
  await simulation.run(1000)
  return arrived.toSorted()
}

describe('splits', () => {
  const names = ['a', 'b', 'c', 'd', 'e']

  test('one way: some are heard and do not hear', async () => {
    const simulation = createSimulation({ seed: 1 })
    expect(await ways(simulation, ['a', 'b', 'c'])).toHaveLength(6)
    simulation.blockAll(['a'], ['a', 'b', 'c'])
    expect(await ways(simulation, ['a', 'b', 'c'])).toEqual(['b→a', 'b→c', 'c→a', 'c→b'])
    simulation.heal()
    expect(await ways(simulation, ['a', 'b', 'c'])).toHaveLength(6)
  })

  test('with a bridge: who is on no side reaches all of them', async () => {
    const simulation = createSimulation({ seed: 2 })
    await ways(simulation, names)
    simulation.split(['a', 'b'], ['d', 'e'])
    const found = await ways(simulation, names)
    expect(found.filter((way) => way.includes('c'))).toHaveLength(8)
    expect(found.filter((way) => /[ab]→[de]|[de]→[ab]/.test(way))).toEqual([])
    expect(found).toHaveLength(12)
  })

  test('in a ring: each reaches a majority, and no two the same one', async () => {
    const simulation = createSimulation({ seed: 3 })
    await ways(simulation, names)
    simulation.majoritiesRing(names)
    const found = await ways(simulation, names)
    const reached = names.map((name) => {
      return found
        .filter((way) => way.startsWith(name))
        .map((way) => way.at(-1))
        .join('')
    })
    expect(reached).toEqual(['be', 'ac', 'bd', 'ce', 'ad'])
  })
})

describe('clocks', () => {
  test('drift: both clocks and new timers of a node run at their own rate', async () => {
    const simulation = createSimulation({ seed: 4 })
    const { clock } = simulation.node('a')
    await simulation.run(1000)
    simulation.drift('a', 0.1)
    const [wall, monotonic] = [clock.now(), clock.monotonic()]
    let firedAt = 0
    clock.schedule(1100, () => {
      firedAt = simulation.now
    })
    await simulation.run(2000)
    expect(clock.monotonic() - monotonic).toBeCloseTo(2200)
    expect(clock.now() - wall).toBeCloseTo(2200)
    expect(firedAt).toBeCloseTo(2000)
    // It stays with the machine over a crash, and never goes back.
    simulation.crash('a')
    simulation.drift('a', -0.5)
    expect(simulation.node('a').clock.monotonic()).toBeCloseTo(3200)
    await simulation.run(1000)
    expect(simulation.node('a').clock.monotonic()).toBeCloseTo(3700)
  })

  test('drift by no more than half, so that time goes on', () => {
    const simulation = createSimulation({ seed: 4 })
    for (const parts of [-1, 0.6, Number.NaN]) {
      expect(() => simulation.drift('a', parts)).toThrow(/drifts by 0.5 at most/)
    }
  })
})

describe('disks', () => {
  const write = (simulation: Simulation, key: string, value: Uint8Array, sync = true) => {
    return simulation.node('a').store.write([{ key, value }], { sync })
  }
  const read = (simulation: Simulation, key: string) => {
    return simulation.wait(simulation.node('a').store.get(key))
  }

  test('that are full refuse what does not fit, whole, and take it when there is room', async () => {
    const simulation = createSimulation({ seed: 5 })
    await simulation.wait(write(simulation, 'old', new Uint8Array(600)))
    simulation.limitDisk('a', 1000)
    const { store } = simulation.node('a')
    const batch = [
      { key: 'small', value: bytes(1) },
      { key: 'large', value: new Uint8Array(600) }
    ]
    await expect(simulation.wait(store.write(batch, { sync: true }))).rejects.toMatchObject({
      name: 'StorageError'
    })
    expect(await read(simulation, 'small')).toBeUndefined()
    // Removals need no room, and make some.
    await simulation.wait(store.write([{ key: 'old', value: undefined }], { sync: true }))
    await simulation.wait(store.write(batch, { sync: true }))
    expect(await read(simulation, 'small')).toEqual(bytes(1))
  })

  test('with a torn write have all writes before it, and nothing of it', async () => {
    const simulation = createSimulation({ seed: 6 })
    await simulation.wait(write(simulation, 'synced', bytes(1)))
    await simulation.wait(write(simulation, 'first', bytes(2), false))
    const { store } = simulation.node('a')
    const batch = [
      { key: 'torn', value: bytes(3) },
      { key: 'torn too', value: bytes(4) }
    ]
    await simulation.wait(store.write(batch, { sync: false }))
    simulation.crash('a', { unsynced: 'torn' })
    const found = ['synced', 'first', 'torn', 'torn too'].map((key) => read(simulation, key))
    expect(await Promise.all(found)).toEqual([bytes(1), bytes(2), undefined, undefined])
  })

  test('with a flipped bit say so at every read, and never give a wrong or absent value', async () => {
    const simulation = createSimulation({ seed: 7 })
    expect(simulation.flipBit('a')).toBeUndefined()
    for (const key of ['x/1', 'x/2', 'y/1']) {
      await simulation.wait(write(simulation, key, bytes(1)))
    }
    expect(simulation.flipBit('a', 'x/2')).toBe('x/2')
    simulation.crash('a')
    await expect(read(simulation, 'x/2')).rejects.toMatchObject({ name: 'CorruptDataError' })
    const keysOf = async (
      prefix: string,
      onDamaged?: (key: string) => void
    ): Promise<readonly string[]> => {
      const keys: string[] = []
      const range = { prefix, ...(onDamaged && { onDamaged }) }
      for await (const [key] of simulation.node('a').store.entries(range)) {
        keys.push(key)
      }
      return keys
    }
    await expect(simulation.wait(keysOf('x/'))).rejects.toMatchObject({ name: 'CorruptDataError' })
    expect(await simulation.wait(keysOf('y/'))).toEqual(['y/1'])
    const damaged: string[] = []
    const onDamaged = (key: string): void => void damaged.push(key)
    expect(await simulation.wait(keysOf('x/', onDamaged))).toEqual(['x/1'])
    expect(damaged).toEqual(['x/2'])
    // A new value has a new checksum.
    await simulation.wait(write(simulation, 'x/2', bytes(2)))
    expect(await read(simulation, 'x/2')).toEqual(bytes(2))
  })

  test('are flipped at a random key from the seed', async () => {
    const damaged = async (seed: number): Promise<string | undefined> => {
      const simulation = createSimulation({ seed })
      for (let key = 0; key < 20; key++) {
        await simulation.wait(write(simulation, `${key}`, bytes(key)))
      }
      return simulation.flipBit('a')
    }
    expect(await damaged(8)).toBe(await damaged(8))
    expect(new Set([await damaged(8), await damaged(9), await damaged(10)]).size).toBeGreaterThan(1)
  })

  test('that are wiped are empty, and whole again', async () => {
    const simulation = createSimulation({ seed: 11 })
    await simulation.wait(write(simulation, 'x', bytes(1)))
    simulation.flipBit('a', 'x')
    expect(() => simulation.wipe('a')).toThrow(/is running/)
    simulation.crash('a')
    simulation.wipe('a')
    expect(await read(simulation, 'x')).toBeUndefined()
  })
})
