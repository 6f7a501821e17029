import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { emptyRecord } from '../src/core/acceptor.ts'
import { noBallot } from '../src/core/ballot.ts'
import { homesOf } from '../src/homes.ts'
import { nameOf } from '../src/core/register-name.ts'
import { slotOf } from '@murmuration/placement'
import { Records } from '../src/records.ts'
import { isSettled, start, startPeer } from './peers.ts'
import type { Peer } from './peers.ts'

const key = { id: 'test/lock/a', replicas: 3 } as const

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text)

test('one of several that take a register at once has it, and all see who', async () => {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const outcomes = await simulation.wait(
    Promise.all(
      peers.map(({ name, registers }) =>
        registers.change(key, (current) => current ?? encoded(name))
      )
    )
  )
  const values = outcomes.map((outcome) => {
    expect(outcome.status).toBe('committed')
    return outcome.status === 'committed' ? outcome.value?.[0] : undefined
  })
  expect(new Set(values).size).toBe(1)
  const firsts = outcomes.filter(
    (outcome) => outcome.status === 'committed' && outcome.previous === undefined
  )
  expect(firsts.length).toBe(1)
})

test('a value survives the loss of any disk, and a deletion stays', async () => {
  const simulation = createSimulation({ seed: 2 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const [a, b] = peers as [Peer, Peer]
  await simulation.wait(a.registers.change(key, () => encoded('kept')))
  expect(await simulation.until(() => isSettled(simulation, peers), 20_000)).toBe(true)
  simulation.crash('d')
  simulation.wipe('d')
  expect(await simulation.until(() => b.membership.view?.members.length === 3, 20_000)).toBe(true)
  const read = await simulation.wait(b.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('kept') })
  expect(await simulation.until(() => isSettled(simulation, peers), 20_000)).toBe(true)
  const deleted = await simulation.wait(b.registers.change(key, () => undefined))
  expect(deleted).toMatchObject({ status: 'committed', previous: encoded('kept') })
  const again = await simulation.wait(a.registers.read(key))
  expect(again).toMatchObject({ status: 'committed', value: undefined })
})

test('a peer alone has registers, and has them again after a restart', async () => {
  const simulation = createSimulation({ seed: 3 })
  const [a] = (await start(simulation, ['a'])) as [Peer]
  await simulation.wait(a.registers.change(key, () => encoded('one')))
  simulation.crash('a', { unsynced: 'lost' })
  const again = startPeer(simulation, 'a')
  const read = await simulation.wait(again.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('one') })
})

test('the smaller side of a split is unavailable, the larger one goes on', async () => {
  const simulation = createSimulation({ seed: 4 })
  const peers = await start(simulation, ['a', 'b', 'c'])
  const [a, b, c] = peers as [Peer, Peer, Peer]
  await simulation.wait(a.registers.change(key, () => encoded('before')))
  simulation.split(['a'], ['b', 'c'])
  const options = { timeoutMs: 2500 }
  const [alone, alsoAlone, together] = await simulation.wait(
    Promise.all([
      a.registers.read(key, options),
      a.registers.change(key, () => encoded('alone'), options),
      b.registers.change(key, () => encoded('together'), options)
    ])
  )
  expect(alone).toEqual({ status: 'unavailable', reason: 'no-quorum' })
  expect(alsoAlone).toMatchObject({
    status: expect.stringMatching(/unavailable|unknown/) as string
  })
  expect(together).toMatchObject({ status: 'committed', previous: encoded('before') })
  simulation.heal()
  const read = await simulation.wait(c.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('together') })
})

test('a change whose answers are lost is unknown, and one that was never sent is unavailable', async () => {
  const simulation = createSimulation({ seed: 5 })
  const peers = await start(simulation, ['a', 'b', 'c'])
  const [a] = peers as [Peer]
  await simulation.wait(a.registers.change(key, () => encoded('before')))
  // The promise of the last change lets this one go out at once, without a prepare.
  simulation.block('b', 'a')
  simulation.block('c', 'a')
  const sent = await simulation.wait(
    a.registers.change(key, () => encoded('sent'), { timeoutMs: 800 })
  )
  expect(sent).toEqual({ status: 'unknown' })
  const unsent = await simulation.wait(
    a.registers.change({ ...key, id: 'test/lock/other' }, () => encoded('x'), { timeoutMs: 800 })
  )
  expect(unsent).toMatchObject({ status: 'unavailable', reason: 'no-quorum' })
  simulation.heal()
  const read = await simulation.wait(a.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('sent') })
})

test('a disk that takes no writes gives no vote', async () => {
  const simulation = createSimulation({ seed: 6 })
  const peers = await start(simulation, ['a', 'b', 'c'])
  const [a] = peers as [Peer]
  simulation.failWrites('b', true)
  simulation.failWrites('c', true)
  const outcome = await simulation.wait(
    a.registers.change(key, () => encoded('x'), { timeoutMs: 1500 })
  )
  expect(outcome.status).toBe('unavailable')
  simulation.failWrites('b', false)
  simulation.failWrites('c', false)
})

test('a change that throws or gives too much leaves the register as it was', async () => {
  const simulation = createSimulation({ seed: 7 })
  const [a] = (await start(simulation, ['a', 'b', 'c'])) as [Peer]
  await simulation.wait(a.registers.change(key, () => encoded('kept')))
  const broken = a.registers.change(key, () => {
    throw new RangeError('not today')
  })
  const large = a.registers.change(key, () => new Uint8Array(327_681))
  await expect(simulation.wait(broken)).rejects.toThrow('not today')
  await expect(simulation.wait(large)).rejects.toThrow('327680 bytes at most')
  const read = await simulation.wait(a.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('kept') })
})

test('what a caller does with values changes nothing', async () => {
  const simulation = createSimulation({ seed: 8 })
  const [a] = (await start(simulation, ['a', 'b', 'c'])) as [Peer]
  const own = encoded('kept')
  await simulation.wait(a.registers.change(key, () => own))
  own.fill(0)
  await simulation.wait(
    a.registers.change(key, (current) => {
      current?.fill(0)
      return current
    })
  )
  const read = await simulation.wait(a.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('kept') })
})

test('bad keys and options are named, and a signal ends the waiting', async () => {
  const simulation = createSimulation({ seed: 9 })
  const [a] = (await start(simulation, ['a', 'b', 'c'])) as [Peer]
  const { registers } = a
  await expect(registers.read({ ...key, id: '' })).rejects.toThrow('id must be')
  await expect(registers.read({ ...key, replicas: 5 })).rejects.toThrow('3 replicas here, not 5')
  await expect(registers.read(key, { timeoutMs: 0 })).rejects.toThrow('timeoutMs')
  simulation.split(['a'], ['b', 'c'])
  const controller = new AbortController()
  const waiting = registers.read(key, { signal: controller.signal })
  simulation.after(50, () => controller.abort())
  await expect(simulation.wait(waiting)).rejects.toMatchObject({
    code: 'ERR_ABORTED',
    outcomeUnknown: false
  })
  await simulation.wait(registers.stop())
  await expect(registers.read(key)).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
})

test('a damaged record is put aside, and agreed anew by the others in the next view', async () => {
  const simulation = createSimulation({ seed: 10 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const [a] = peers as [Peer]
  await simulation.wait(a.registers.change(key, () => encoded('kept')))
  // The last of its replicas may get it after the caller was answered.
  await simulation.run(50)
  const name = nameOf(key, slotOf(key.id))
  const home = homesOf(a.membership.view!, name.slice(0, 7)).voters.map(({ peer }) => peer)
  const victim = home.find((peer) => peer !== 'a') ?? 'b'
  // A bit of its record flips while nobody looks.
  const { store } = simulation.node(victim)
  const path = `registers/a/${name}`
  const bytes = (await simulation.wait(store.get(path)))!
  bytes[bytes.length - 1]! ^= 1
  await simulation.wait(store.write([{ key: path, value: bytes }], { sync: true }))
  simulation.crash(victim)
  const again = startPeer(simulation, victim)
  const read = await simulation.wait(again.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('kept') })
  expect(again.registers.stats().damaged).toBe(1)
  const aside = await simulation.wait(simulation.node(victim).store.get(`registers/q/a/${name}`))
  expect(aside).toEqual(bytes)
  // Two of its three replicas have it still; whoever goes now is none of them.
  const other = peers.find((peer) => !home.includes(peer.name))!
  simulation.crash(other.name)
  const isRepaired = (): boolean => again.registers.stats().damaged === 0
  expect(await simulation.until(isRepaired, 20_000)).toBe(true)
  const after = await simulation.wait(again.registers.read(key))
  expect(after).toMatchObject({ status: 'committed', value: encoded('kept') })
})

test('registers that are stopped and started again use no ballot twice', async () => {
  const simulation = createSimulation({ seed: 12 })
  const peers = await start(simulation, ['a', 'b', 'c'])
  const [a, b] = peers as [Peer, Peer]
  for (let at = 1; at <= 10; at++) {
    await simulation.wait(a.registers.change(key, () => Uint8Array.of(at)))
    await simulation.wait(a.registers.stop())
    await simulation.wait(Promise.resolve(a.registers.start()))
    const read = await simulation.wait(b.registers.read(key))
    expect(read).toMatchObject({ status: 'committed', value: Uint8Array.of(at) })
  }
})

test('a record that is on its way to the disk is not overlooked', async () => {
  const simulation = createSimulation({ seed: 13, diskMs: [20, 20] })
  const { store } = simulation.node('a')
  const records = new Records({ store, view: () => 1, onCorrupt: () => {} })
  await simulation.wait(
    (async () => {
      const entry = await records.open('00001/3//one')
      records.set(entry, {
        ...emptyRecord,
        accepted: { ballot: noBallot, value: undefined, lineage: [] }
      })
      const saved = records.save([{ entry, before: undefined }])
      expect(await records.names(undefined, 'a/', 10)).toEqual([])
      await records.flush()
      expect(await records.names(undefined, 'a/', 10)).toEqual(['00001/3//one'])
      await saved
    })()
  )
})

test('a record that the store finds damaged is listed with the others', async () => {
  const simulation = createSimulation({ seed: 14 })
  const { store } = simulation.node('a')
  const corrupt: string[] = []
  const onCorrupt = ({ message }: Error): void => void corrupt.push(message)
  const records = new Records({ store, view: () => 1, onCorrupt })
  const names = ['00001/3//one', '00001/3//three', '00001/3//two']
  await simulation.wait(
    (async () => {
      for (const name of names) {
        await store.write([{ key: `a/${name}`, value: Uint8Array.of(1) }], { sync: true })
      }
      simulation.flipBit('a', `a/${names[1]}`)
      expect(await records.names(undefined, 'a/', 10)).toEqual(names)
      const { record } = await records.open(names[1]!)
      expect(record).toMatchObject({ damagedIn: 1 })
      expect(corrupt).toEqual([`the record of ${names[1]} is damaged`])
    })()
  )
})

test('a peer that leaves hands over what only it and a lost disk held', async () => {
  const simulation = createSimulation({ seed: 11 })
  const peers = await start(simulation, ['a', 'b'])
  const [a, b] = peers as [Peer, Peer]
  // The founder weighs 2, so that it alone agrees while the other one is away.
  simulation.crash('b')
  const outcome = await simulation.wait(
    a.registers.change(key, () => encoded('alone'), { timeoutMs: 4000 })
  )
  expect(outcome.status).toBe('committed')
  const back = startPeer(simulation, 'b')
  const both = [a, back]
  expect(
    await simulation.until(
      () => both.every(({ membership }) => membership.view?.members.length === 2),
      20_000
    )
  ).toBe(true)
  await simulation.wait(a.membership.leave())
  const isHandedOver = (): boolean =>
    back.membership.view?.members.length === 1 && isSettled(simulation, [back])
  expect(await simulation.until(isHandedOver, 20_000)).toBe(true)
  simulation.crash('a')
  simulation.wipe('a')
  const read = await simulation.wait(back.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('alone') })
  expect(b.name).toBe('b')
})

test('a new register takes one round trip where all replicas answer, and two where one is silent', async () => {
  const simulation = createSimulation({ seed: 15 })
  const [a, b] = (await start(simulation, ['a', 'b', 'c'])) as [Peer, Peer]
  simulation.conditions({ delayMs: [5, 5] })
  const take = async (id: string): Promise<number> => {
    const began = simulation.now
    const taking = a.registers.change({ id, replicas: 3 }, () => encoded(id), { isNew: true })
    expect(await simulation.wait(taking)).toMatchObject({
      status: 'committed',
      previous: undefined
    })
    return simulation.now - began
  }
  expect(await take('one')).toBeLessThan(20)
  simulation.pause('c')
  const late = await take('two')
  expect(late).toBeGreaterThan(35)
  expect(late).toBeLessThan(60)
  simulation.resume('c')
  for (const id of ['one', 'two']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, each on a quiet network.
    const read = await simulation.wait(b.registers.read({ id, replicas: 3 }))
    expect(read).toMatchObject({ status: 'committed', value: encoded(id) })
  }
})

test('who takes a register for new and is wrong builds on what is there', async () => {
  const simulation = createSimulation({ seed: 16 })
  const [a, b] = (await start(simulation, ['a', 'b', 'c'])) as [Peer, Peer]
  await simulation.wait(a.registers.change(key, () => encoded('a')))
  const append = (current: Uint8Array | undefined): Uint8Array =>
    Uint8Array.of(...(current ?? []), ...encoded('b'))
  const outcome = await simulation.wait(b.registers.change(key, append, { isNew: true }))
  expect(outcome).toMatchObject({ previous: encoded('a'), value: encoded('ab') })
  const both = await simulation.wait(
    Promise.all(
      [a, b].map(({ name, registers }) =>
        registers.change({ id: 'contended', replicas: 3 }, (current) => current ?? encoded(name), {
          isNew: true
        })
      )
    )
  )
  expect(both.map(({ status }) => status)).toEqual(['committed', 'committed'])
  const values = both.map((one) => (one.status === 'committed' ? one.value?.[0] : undefined))
  expect(values[0]).toBe(values[1])
})
