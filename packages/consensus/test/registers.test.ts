import { createMembership } from '@murmuration/membership'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { createRegisters } from '../src/index.ts'
import type { RegistersService } from '../src/index.ts'

const key = { id: 'test/lock/a', replicas: 3 } as const

interface Peer {
  readonly name: string
  readonly membership: ReturnType<typeof createMembership>
  readonly registers: RegistersService
}

async function start(simulation: Simulation, names: readonly string[]): Promise<Peer[]> {
  const peers = names.map((name) => {
    const { rpc, store, clock, random, links } = simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      { cluster: 'test', found: name === 'a', contacts: () => ['a'], reporters: ['registers'] }
    )
    const registers = createRegisters({ rpc, membership, store, clock, random })
    return { name, membership, registers }
  })
  await simulation.wait(
    Promise.all(
      peers.map(async ({ membership, registers }) => {
        await membership.start()
        await registers.start()
      })
    )
  )
  const isWhole = await simulation.until(
    () => peers.every((peer) => peer.membership.view?.members.length === names.length),
    20_000
  )
  expect(isWhole).toBe(true)
  return peers
}

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text)

test('one of several that take a register at once has it, and all see who', async () => {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const outcomes = await simulation.wait(
    Promise.all(
      peers.map(async ({ name, registers }) => {
        const take = (current: Uint8Array | undefined) => current ?? encoded(name)
        const outcome = await registers.change(key, take)
        return outcome.status === 'unknown' ? registers.change(key, take) : outcome
      })
    )
  )
  const values = outcomes.map((outcome) => {
    expect(outcome.status).toBe('committed')
    return outcome.status === 'committed' ? outcome.value?.[0] : undefined
  })
  expect(new Set(values).size).toBe(1)
})

test('a value survives the loss of any disk, and a deletion stays', async () => {
  const simulation = createSimulation({ seed: 2 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const [a, b] = peers as [Peer, Peer]
  const isSettled = (): boolean =>
    peers
      .filter(({ name }) => simulation.isRunning(name))
      .every(({ membership }) => membership.settled === membership.view?.number)
  await simulation.wait(a.registers.change(key, () => encoded('kept')))
  expect(await simulation.until(isSettled, 20_000)).toBe(true)
  simulation.crash('d')
  simulation.wipe('d')
  expect(await simulation.until(() => b.membership.view?.members.length === 3, 20_000)).toBe(true)
  const read = await simulation.wait(b.registers.read(key))
  expect(read).toMatchObject({ status: 'committed', value: encoded('kept') })
  expect(await simulation.until(isSettled, 20_000)).toBe(true)
  const deleted = await simulation.wait(b.registers.change(key, () => undefined))
  expect(deleted).toMatchObject({ status: 'committed', previous: encoded('kept') })
  const again = await simulation.wait(a.registers.read(key))
  expect(again).toMatchObject({ status: 'committed', value: undefined })
})
