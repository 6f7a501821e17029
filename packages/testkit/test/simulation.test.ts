import { describe, expect, test } from 'vitest'
import { InvalidParametersError } from '@murmuration/interface'
import type { Store } from '@murmuration/interface'
import {
  createRandom,
  createSimulation,
  findFailingSeed,
  runSeeds,
  testClock
} from '../src/index.ts'
import type { Simulation } from '../src/index.ts'

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)

/** A run with some of everything; what it did, as text. */
async function story(seed: number): Promise<readonly string[]> {
  const simulation = createSimulation({
    seed,
    trace: true,
    network: { delayMs: [1, 50], loss: 0.1, duplication: 0.1, reordering: 0.5 }
  })
  const names = ['a', 'b', 'c']
  for (const name of names) {
    const { rpc, store, random } = simulation.node(name)
    rpc.handle('add', async (request) => {
      await store.write([{ key: String(random.next()), value: request }], { sync: true })
      return request
    })
  }
  for (let round = 0; round < 30; round++) {
    const { rpc, clock } = simulation.node(names[round % 3] ?? 'a')
    clock.schedule(round * 7, () => {
      const done = (what: string) => () => simulation.log(`${round} ${what}`)
      rpc
        .call(names[(round + 1) % 3] ?? 'a', 'add', bytes(round), { timeoutMs: 300 })
        .then(done('is answered'), done('fails'))
    })
  }
  simulation.after(100, () => simulation.crash('b'))
  simulation.after(150, () => simulation.node('b'))
  await simulation.run(1000)
  return simulation.trace
}

async function keysOf(store: Store, prefix = ''): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const [key] of store.entries({ prefix })) {
    keys.push(key)
  }
  return keys
}

describe('time', () => {
  test('the same seed gives the same run, and another seed another one', async () => {
    const first = await story(1)
    expect(first.length).toBeGreaterThan(60)
    expect(await story(1)).toEqual(first)
    expect(await story(2)).not.toEqual(first)
  })

  test('events come in the order of their times, equal ones in the order of their making', async () => {
    const simulation = createSimulation({ seed: 1 })
    const seen: string[] = []
    const { clock } = simulation.node('a')
    for (const [delay, what] of [
      [20, 'c'],
      [10, 'a'],
      [10, 'b']
    ] as const) {
      clock.schedule(delay, () => seen.push(`${what}${clock.monotonic()}`))
    }
    clock.schedule(5, () => seen.push('never'))()
    await simulation.run(15)
    expect(seen).toEqual(['a10', 'b10'])
    expect(simulation.now).toBe(15)
    await simulation.run(15)
    expect(seen).toEqual(['a10', 'b10', 'c20'])
  })

  test('long chains of promises settle between two events', async () => {
    const simulation = createSimulation({ seed: 1 })
    let depth = 0
    simulation.after(1, () => {
      const descend = async (level: number): Promise<void> => {
        await Promise.resolve()
        depth = level
        await (level < 500 ? descend(level + 1) : undefined)
      }
      void descend(1)
    })
    let seen = 0
    simulation.after(1, () => {
      seen = depth
    })
    await simulation.run(1)
    expect(seen).toBe(500)
  })

  test('an error in an event ends the run', async () => {
    const simulation = createSimulation({ seed: 1 })
    simulation.after(1, () => {
      throw new Error('broken')
    })
    await expect(simulation.run(2)).rejects.toThrow('broken')
  })

  test('a wall clock can be moved; the monotonic one cannot', async () => {
    const simulation = createSimulation({ seed: 1 })
    const { clock } = simulation.node('a')
    const before = clock.now()
    simulation.skew('a', -60_000)
    expect(clock.now()).toBe(before - 60_000)
    expect(clock.monotonic()).toBe(0)
    expect(testClock(simulation).now()).toBe(before)
  })

  test('a promise that does not settle is reported with the seed', async () => {
    const simulation = createSimulation({ seed: 42 })
    await expect(simulation.wait(new Promise(() => {}), 10)).rejects.toThrow(/seed 42/)
  })
})

describe('calls', () => {
  function pair(simulation: Simulation = createSimulation({ seed: 1 })) {
    return { simulation, a: simulation.node('a'), b: simulation.node('b') }
  }

  test('reach the handler, which knows the caller and the time left', async () => {
    const { simulation, a, b } = pair()
    b.rpc.handle('who', (request, context) => {
      expect(context.remainingMs).toBe(700)
      return new TextEncoder().encode(`${context.peer}${request[0]}`)
    })
    const options = { timeoutMs: 700 }
    const answer = await simulation.wait(a.rpc.call('b', 'who', bytes(7), options))
    expect(new TextDecoder().decode(answer)).toBe('a7')
    expect(simulation.now).toBeGreaterThan(0)
    expect(a.links.connected()).toEqual(['b'])
  })

  test('to the own peer run here', async () => {
    const { simulation, a } = pair()
    a.rpc.handle('echo', (request) => request)
    expect(await simulation.wait(a.rpc.call('a', 'echo', bytes(1)))).toEqual(bytes(1))
  })

  test('fail as real ones do', async () => {
    const { simulation, a, b } = pair()
    b.rpc.handle('refuse', () => {
      throw new InvalidParametersError('no')
    })
    b.rpc.handle('break', () => {
      throw new TypeError('oops')
    })
    b.rpc.handle('never', () => new Promise(() => {}), { concurrencyMax: 1 })
    const failing = (method: string, peer = 'b', timeoutMs = 100): Promise<unknown> =>
      simulation.wait(a.rpc.call(peer, method, bytes(), { timeoutMs }))
    await expect(failing('refuse')).rejects.toMatchObject({
      name: 'InvalidParametersError',
      code: 'ERR_INVALID_PARAMETERS',
      peer: 'b'
    })
    await expect(failing('break')).rejects.toMatchObject({ name: 'RemoteHandlerError' })
    await expect(failing('unknown')).rejects.toMatchObject({ name: 'UnknownMethodError' })
    await expect(failing('any', 'nobody')).rejects.toMatchObject({ name: 'PeerUnavailableError' })
    await expect(failing('never')).rejects.toMatchObject({
      name: 'DeadlineExceededError',
      outcomeUnknown: true
    })
    await expect(failing('never')).rejects.toMatchObject({ name: 'OverloadedError' })
    expect(() => b.rpc.handle('refuse', (request) => request)).toThrow(/handler already/)
  })

  test('can be aborted, which the handler hears', async () => {
    const { simulation, a, b } = pair()
    let isAborted = false
    b.rpc.handle('slow', async (_, { signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      isAborted = true
      return bytes()
    })
    const controller = new AbortController()
    const call = a.rpc.call('b', 'slow', bytes(), { signal: controller.signal })
    simulation.after(50, () => controller.abort())
    await expect(simulation.wait(call)).rejects.toMatchObject({
      name: 'AbortedError',
      outcomeUnknown: true
    })
    await simulation.run(50)
    expect(isAborted).toBe(true)
    await expect(
      a.rpc.call('b', 'slow', bytes(), { signal: controller.signal })
    ).rejects.toMatchObject({ outcomeUnknown: false })
  })

  test('can be aborted while a silent peer is dialled: streams too, which have no deadline', async () => {
    const { simulation, a } = pair()
    simulation.split(['a'], ['b'])
    const controller = new AbortController()
    const options = { timeoutMs: Infinity, signal: controller.signal }
    const outcomes = [
      a.rpc.call('b', 'any', bytes(), options),
      a.rpc.stream('b', 'any', bytes(), options)[Symbol.asyncIterator]().next()
    ].map((outcome) => expect(outcome).rejects.toMatchObject({ name: 'AbortedError' }))
    simulation.after(50, () => controller.abort())
    await simulation.wait(Promise.all(outcomes), 60)
    expect(simulation.now).toBeLessThan(60)
  })

  test('end with the connection when the other process dies', async () => {
    const { simulation, a, b } = pair()
    b.rpc.handle('never', () => new Promise(() => {}))
    const lost: string[] = []
    a.links.addEventListener('disconnected', ({ detail }) => lost.push(detail.peer))
    const call = a.rpc.call('b', 'never', bytes())
    simulation.after(50, () => simulation.crash('b'))
    await expect(simulation.wait(call)).rejects.toMatchObject({ name: 'ConnectionLostError' })
    expect(lost).toEqual(['b'])
    expect(await simulation.wait(a.links.probe('b'))).toBe('refused')
    simulation.node('b')
    expect(await simulation.wait(a.links.probe('b'))).toBe('alive')
  })

  test('find silence when the machine is gone, until it is back', async () => {
    const { simulation, a } = pair()
    await simulation.wait(a.links.connect({ peer: 'b', addresses: [] }))
    simulation.crash('b', { machine: true })
    await simulation.run(10_000)
    expect(a.links.connected()).toEqual(['b'])
    expect(await simulation.wait(a.links.probe('b'))).toBe('unknown')
    simulation.node('b')
    await simulation.run(10)
    expect(a.links.connected()).toEqual([])
  })

  test('can be blocked in one direction', async () => {
    const { simulation, a, b } = pair()
    let count = 0
    b.rpc.handle('count', () => {
      count++
      return bytes(count)
    })
    await simulation.wait(a.rpc.call('b', 'count', bytes()))
    simulation.block('b', 'a')
    const options = { timeoutMs: 100 }
    await expect(simulation.wait(a.rpc.call('b', 'count', bytes(), options))).rejects.toMatchObject(
      {
        name: 'DeadlineExceededError'
      }
    )
    expect(count).toBe(2)
    simulation.unblock('b', 'a')
    expect(await simulation.wait(a.rpc.call('b', 'count', bytes()))).toEqual(bytes(3))
    simulation.split(['a'], ['b'])
    await expect(simulation.wait(a.rpc.call('b', 'count', bytes(), options))).rejects.toThrow()
    simulation.heal()
    expect(await simulation.wait(a.rpc.call('b', 'count', bytes()))).toEqual(bytes(4))
  })

  test('keep their order unless the network may reorder, and may come twice', async () => {
    const { simulation, a, b } = pair()
    const seen: number[] = []
    b.rpc.handle('note', ([value]) => {
      seen.push(value ?? -1)
      return bytes()
    })
    const send = async (): Promise<void> => {
      seen.length = 0
      await simulation.wait(
        Promise.all(
          Array.from({ length: 100 }, (_, index) => a.rpc.call('b', 'note', bytes(index)))
        )
      )
    }
    simulation.conditions({ delayMs: [1, 500] })
    await send()
    expect(seen).toEqual(seen.toSorted((x, y) => x - y))
    simulation.conditions({ reordering: 1 })
    await send()
    expect(seen).not.toEqual(seen.toSorted((x, y) => x - y))
    simulation.conditions({ duplication: 0.5 })
    await send()
    await simulation.run(1000)
    expect(seen.length).toBeGreaterThan(120)
  })

  test('stream their answers in order, and stop when the reader does', async () => {
    const { simulation, a, b } = pair()
    let isEnded = false
    b.rpc.handleStream('numbers', async function* (request) {
      try {
        for (let value = 0; value < (request[0] ?? 0); value++) {
          yield bytes(value)
        }
      } finally {
        isEnded = true
      }
    })
    const read = async (limit: number): Promise<readonly number[]> => {
      const values: number[] = []
      for await (const [value] of a.rpc.stream('b', 'numbers', bytes(9))) {
        values.push(value ?? -1)
        if (values.length === limit) {
          break
        }
      }
      return values
    }
    expect(await simulation.wait(read(100))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    isEnded = false
    expect(await simulation.wait(read(3))).toEqual([0, 1, 2])
    await simulation.run(10)
    expect(isEnded).toBe(true)
  })
})

describe('nodes', () => {
  test('a paused one runs its due timers first when it goes on, then its messages', async () => {
    const simulation = createSimulation({ seed: 1 })
    const [a, b] = [simulation.node('a'), simulation.node('b')]
    const seen: string[] = []
    b.rpc.handle('note', () => {
      seen.push('message')
      return bytes()
    })
    await simulation.wait(a.links.connect({ peer: 'b', addresses: [] }))
    simulation.pause('b')
    const call = a.rpc.call('b', 'note', bytes())
    b.clock.schedule(20, () => seen.push('timer'))
    await simulation.run(100)
    expect(seen).toEqual([])
    expect(await simulation.wait(a.links.probe('b'))).toBe('unknown')
    simulation.resume('b')
    await simulation.wait(call)
    expect(seen).toEqual(['timer', 'message'])
  })

  test('a crashed one does nothing more; its next life is a new one', async () => {
    const simulation = createSimulation({ seed: 1 })
    const first = simulation.node('a')
    const seen: string[] = []
    first.clock.schedule(10, () => seen.push('timer'))
    void first.store
      .write([{ key: 'x', value: bytes(1) }], { sync: true })
      .then(() => seen.push('w'))
    simulation.crash('a', { unsynced: 'lost' })
    expect(simulation.isRunning('a')).toBe(false)
    await simulation.run(100)
    expect(seen).toEqual([])
    const second = simulation.node('a')
    expect(second.life).toBe(2)
    expect(simulation.node('a')).toBe(second)
    expect(await simulation.wait(second.store.get('x'))).toBeUndefined()
  })

  test('a crashed one is not woken by an answer that its next life is brought', async () => {
    const simulation = createSimulation({ seed: 1 })
    const [first, b] = [simulation.node('a'), simulation.node('b')]
    let served = 0
    b.rpc.handle('note', async () => {
      await new Promise<void>((resolve) => b.clock.schedule(10, resolve))
      served++
      return bytes(served)
    })
    await simulation.wait(first.links.connect({ peer: 'b', addresses: [] }))
    simulation.pause('b')
    const seen: string[] = []
    const again = (): void => {
      seen.push('answer')
      // It would open a connection in place of that of the next life.
      void first.rpc.call('b', 'note', bytes())
    }
    first.rpc.call('b', 'note', bytes()).then(again, again)
    await simulation.run(10)
    simulation.crash('a')
    const second = simulation.node('a')
    simulation.resume('b')
    await simulation.wait(second.links.connect({ peer: 'b', addresses: [] }))
    await simulation.run(50)
    expect(served).toBe(1)
    expect(seen).toEqual([])
    second.rpc.handle('echo', (request) => request)
    expect(await simulation.wait(b.rpc.call('a', 'echo', bytes(7)))).toEqual(bytes(7))
  })

  test('randomness differs between nodes and lives, and not between runs', () => {
    expect(createRandom(1, 'a').next()).toBe(createRandom(1, 'a').next())
    expect(createRandom(1, 'a').next()).not.toBe(createRandom(1, 'b').next())
    expect(createRandom(1, 'a').bytes(8)).toHaveLength(8)
    const random = createRandom(3)
    const mean =
      Array.from({ length: 10_000 }, () => random.next()).reduce((x, y) => x + y) / 10_000
    expect(mean).toBeCloseTo(0.5, 1)
  })
})

describe('disks', () => {
  test('keep what was synced, and lose the rest from some point on', async () => {
    const kept = new Set<number>()
    for (let seed = 1; seed <= 40; seed++) {
      const simulation = createSimulation({ seed })
      const { store } = simulation.node('a')
      await simulation.wait(store.write([{ key: 'k0', value: bytes(0) }], { sync: true }))
      for (let index = 1; index <= 3; index++) {
        await simulation.wait(
          store.write([{ key: `k${index}`, value: bytes(index) }], { sync: false })
        )
      }
      expect(await simulation.wait(store.get('k3'))).toEqual(bytes(3))
      simulation.crash('a')
      const keys = await simulation.wait(keysOf(simulation.node('a').store))
      expect(keys).toEqual(['k0', 'k1', 'k2', 'k3'].slice(0, keys.length))
      kept.add(keys.length)
    }
    expect([...kept].toSorted((x, y) => x - y)).toEqual([1, 2, 3, 4])
  })

  test('make earlier writes durable with a synced one', async () => {
    const simulation = createSimulation({ seed: 1 })
    const { store } = simulation.node('a')
    const writes = [
      store.write([{ key: 'a', value: bytes(1) }], { sync: false }),
      store.write([{ key: 'b', value: bytes(2) }], { sync: true }),
      store.write([{ key: 'c', value: bytes(3) }], { sync: false })
    ]
    await simulation.wait(Promise.all(writes))
    simulation.crash('a', { unsynced: 'lost' })
    expect(await simulation.wait(keysOf(simulation.node('a').store))).toEqual(['a', 'b'])
    expect(() => simulation.wipe('a')).toThrow(/crash it before/)
    simulation.crash('a')
    simulation.wipe('a')
    expect(await simulation.wait(keysOf(simulation.node('a').store))).toEqual([])
  })

  test('read ranges in the order of bytes, through prefixes', async () => {
    const simulation = createSimulation({ seed: 1 })
    const { store } = simulation.node('a')
    const sub = store.sub('x/')
    const keys = ['b', 'a', '\u{1F426}', '\uFFFD', 'c']
    await simulation.wait(
      sub.write(
        keys.map((key) => ({ key, value: bytes(1) })),
        { sync: true }
      )
    )
    await simulation.wait(store.write([{ key: 'y', value: bytes(1) }], { sync: true }))
    expect(await simulation.wait(keysOf(sub))).toEqual(['a', 'b', 'c', '\uFFFD', '\u{1F426}'])
    expect(await simulation.wait(keysOf(store, 'x/b'))).toEqual(['x/b'])
    const some: string[] = []
    const read = async (): Promise<void> => {
      for await (const [key] of sub.entries({ after: 'a', limit: 2, reverse: false })) {
        some.push(key)
      }
      for await (const [key] of sub.entries({ reverse: true, limit: 1 })) {
        some.push(key)
      }
      await sub.close()
    }
    await simulation.wait(read())
    expect(some).toEqual(['b', 'c', '\u{1F426}'])
  })

  test('refuse writes on demand', async () => {
    const simulation = createSimulation({ seed: 1 })
    const { store } = simulation.node('a')
    simulation.failWrites('a', true)
    await expect(
      store.write([{ key: 'a', value: bytes(1) }], { sync: true })
    ).rejects.toMatchObject({ name: 'StorageError' })
    simulation.failWrites('a', false)
    await simulation.wait(store.write([{ key: 'a', value: bytes(1) }], { sync: true }))
  })
})

describe('many seeds', () => {
  const run = async (simulation: Simulation): Promise<void> => {
    simulation.log('something happens')
    await simulation.run(10)
    if (simulation.seed === 7) {
      throw new Error('lost an update')
    }
  }

  test('a failing one is named and shown', async () => {
    await expect(runSeeds({ count: 10, run })).rejects.toThrow(
      /seed 7: lost an update\n.*something happens/
    )
    await runSeeds({ count: 6, run })
  })

  test('the first failing one can be searched for', async () => {
    expect((await findFailingSeed({ first: 3, count: 10, run }))?.seed).toBe(7)
    expect(await findFailingSeed({ first: 8, count: 10, run })).toBeUndefined()
  })
})
