import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { counter, set } from '@murmuration/crdt'
import type { Discovery, Signal } from '@murmuration/interface'
import { registryCases } from '@murmuration/testkit'

const station = defineAgent({
  type: 'station',
  state: { readings: counter(), tags: set<string>() },
  shardKey: (key) => `shard of ${key}`,
  actions: {
    add: {
      input: z.object({ value: z.number() }),
      output: z.number(),
      run({ input, state, emit }) {
        state.readings.increment(input.value)
        emit({ type: 'station.read', data: { value: input.value } })
        return state.readings.value
      }
    },
    fail: {
      input: z.null(),
      output: z.null(),
      run: () => {
        throw Object.assign(new Error('closed'), { code: 'ERR_CLOSED' })
      }
    }
  },
  on: { 'weather.*': (signal, { state }) => state.tags.add(signal.type) }
})

const clock = defineAgent({
  type: 'clock',
  state: { ticks: counter() },
  actions: {
    tick: {
      input: z.null(),
      output: z.null(),
      run: ({ state }) => (state.ticks.increment(1), null)
    }
  },
  schedules: { second: { every: '1s', action: 'tick', keys: ['wall'] } }
})

const init = { name: 'modes', agents: [station, clock] } satisfies ClusterInit

/** The same program, with one option changed. */
const modes: Readonly<Record<string, () => Promise<Cluster[]>>> = {
  single: async () => [await createCluster({ ...init, distributed: false })],
  distributed: async () => {
    const first = await createCluster({ ...init, listen: ['/ip4/127.0.0.1/tcp/0'] })
    const second = await createCluster({
      ...init,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: first.addresses
    })
    await Promise.all([first.ready(), second.ready()])
    return [first, second]
  }
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}

for (const [mode, start] of Object.entries(modes)) {
  describe(`a program in ${mode} mode`, () => {
    let peers: Cluster[] = []
    const on = (): Cluster => peers.at(-1) ?? peers[0]!
    const discovery = (): Discovery => on().discovery!
    beforeAll(async () => {
      peers = await start()
      await on().ready()
    })
    afterAll(() => Promise.all(peers.map((peer) => peer.stop())))

    for (const [at, { name, run }] of registryCases.entries()) {
      it(`has a registry that ${name}`, () =>
        run({
          peers: peers.map(({ peerId: peer, registry }) => ({ peer, registry })),
          agent: (key) => station.record(`${key}-${at}`)
        }))
    }

    it('looks agents up by id, and calls them', async () => {
      const found = on().getAgent(station.id('berlin'))
      expect(await found.call('add', { value: 3 })).toBe(3)
      expect(await on().agent(station, 'berlin').call('add', { value: 4 })).toBe(7)
      expect(() => on().getAgent('default/nobody/x')).toThrow(
        expect.objectContaining({ name: 'UnknownAgentError' })
      )
      await expect(found.call('fail', null)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
      const wrong = on()
        .agent(station, 'berlin')
        .call('add', { value: 'x' as unknown as number })
      await expect(wrong).rejects.toMatchObject({ name: 'SchemaError' })
    })

    it('keeps state: updates, keys, reads and watches', async () => {
      const rome = on().agent(station, 'rome')
      const key = { session: 'modes', sequence: 1, lowest: 1 }
      const options = { idempotencyKey: key }
      const once = await rome.update((draft) => draft.readings.increment(5), options)
      const again = await rome.update((draft) => draft.readings.increment(5), options)
      expect([once.duplicate, again.duplicate]).toEqual([false, true])
      const { value, replicas, epoch } = await rome.state()
      expect(value.readings).toBe(5)
      expect(replicas).toHaveLength(peers.length)
      expect(epoch?.view).toBeGreaterThan(0)
      for await (const reading of rome.watch()) {
        expect(reading.value.readings).toBe(5)
        break
      }
    })

    it('carries signals: to subscribers, iterators, agents, and by every route', async () => {
      const heard: Signal[] = []
      const filter = ({ source }: Signal): boolean => source.endsWith('/oslo')
      const note = (signal: Signal): void => void heard.push(signal)
      const subscription = on().signals.subscribe('station.*', note, { filter })
      // Delivery is at most once: what is published before others know of a subscription is lost.
      await until(async () => {
        await on().agent(station, 'oslo').call('add', { value: 1 })
        return heard.length > 0
      })
      expect(heard[0]?.data).toEqual({ value: 1 })
      subscription.close()
      await on().agent(station, 'oslo').signal({ type: 'weather.rain' })
      expect([...(await on().agent(station, 'oslo').state()).value.tags]).toEqual(['weather.rain'])
      const routed: unknown[] = []
      const listening = peers.map(({ signals }) =>
        signals.subscribe('routed.*', ({ type }) => void routed.push(type))
      )
      for (const route of [
        'local',
        'cluster',
        { shard: 'x' },
        { targeted: [on().peerId] }
      ] as const) {
        const result = await on().signals.publish({ type: 'routed.once' }, { route })
        expect(result.dropped).toEqual([])
      }
      await until(() => routed.length > 0)
      for (const each of listening) each.close()
    })

    it('tells what can be called, and by whom', async () => {
      const { answers, silent } = await discovery().actions()
      expect(silent).toEqual([])
      const add = answers.find(({ name }) => name === 'station.add')
      expect(add?.peers).toHaveLength(peers.length)
      const capable = await discovery().findCapablePeers(['station.add', 'clock.tick'])
      expect(capable.answers).toHaveLength(peers.length)
      expect(peers.map(({ peerId }) => peerId)).toContain(await discovery().selectPeer())
    })

    it('places agents, plans and moves them', async () => {
      const id = station.id('paris')
      const home = on().placement.homeOf(id)
      expect(home).toHaveLength(peers.length)
      expect(home).toContain(on().placement.ownerOf(id))
      expect(on().placement.plan({ join: [{}] }).owners.needless).toBe(0)
      const { peer } = await on().placement.selectPeerForAgent(id)
      expect(home).toContain(peer)
      const { moved, refused } = await on().placement.move(id, on().peerId)
      expect([moved, refused]).toEqual([[id], []])
      expect(on().placement.ownerOf(id)).toBe(on().peerId)
      await expect(on().placement.move(id, 'nobody')).rejects.toMatchObject({
        name: 'InvalidParametersError'
      })
    })

    it('fires schedules', async () => {
      const ticks = async (): Promise<number> =>
        (await on().agent(clock, 'wall').state()).value.ticks
      const before = await ticks()
      await until(async () => (await ticks()) >= before + 2)
    })
  })
}

describe('single mode', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modes-test-'))
  afterEach(() => {
    delete process.env['MURMURATION_MODE']
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is chosen by the environment, has no address and no port, and keeps registrations', async () => {
    process.env['MURMURATION_MODE'] = 'single'
    const open = (): Promise<Cluster> => createCluster({ ...init, dataDir: folder })
    const before = await open()
    expect([before.mode, before.addresses]).toEqual(['single', []])
    await before.ready()
    const labels = { kind: 'weather' }
    await before.registry.register({ ...station.record('kept'), labels })
    await before.stop()
    const after = await open()
    await after.ready()
    expect((await after.registry.describe(station.id('kept')))?.labels).toEqual(labels)
    await after.stop()
  })
})
