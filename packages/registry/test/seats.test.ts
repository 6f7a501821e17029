import { expect, it } from 'vitest'
import type { Leases, Membership, RegisterOutcome, Registers, Rpc } from '@murmuration/interface'
import { createEdgeSeat, createSeatClearance, createSeatKeeper } from '@murmuration/registry'
import type { Seat } from '@murmuration/registry'
import { createSimulation } from '@murmuration/testkit'
import type { SimulatedNode, Simulation } from '@murmuration/testkit'
import { SEAT, SeatRecord, SeatReply, SeatRequest, seatTaken } from '../src/seats/messages.ts'

/** What the tests need of the membership of a member. */
interface Standing {
  members: string[]
  leaseIsHeld: boolean
}

const readyMs = 30_000

/** One register for all, linearizable, whose answers take their time. */
function registersOn({ clock, random }: SimulatedNode): Registers {
  let value: Uint8Array | undefined
  const later = (): Promise<void> =>
    new Promise((resolve) => void clock.schedule(random.next() * 40, resolve))
  const run = async (change: (now: typeof value) => typeof value): Promise<RegisterOutcome> => {
    await later()
    const previous = value
    value = change(value)
    const outcome = { status: 'committed', previous, value, view: 1 } as const
    await later()
    return outcome
  }
  return {
    start: () => {},
    stop: () => {},
    change: (_, change) => run(change),
    read: () => run((now) => now)
  }
}

function keeperOn(node: SimulatedNode, standing: Standing): void {
  const membership: Partial<Membership & Leases> = {
    get view() {
      const members = standing.members.map((peer) => ({ peer }))
      return { members } as unknown as Membership['view'] // all that is looked at
    },
    unsettledViews: () => [],
    lease: {
      get held() {
        return standing.leaseIsHeld
      },
      remainingMs: 0,
      whenHeld: async () => {}
    }
  }
  const rpc: Partial<Rpc> = {
    // Both lives of the edge peer come under its one name.
    handle: (method, handler) =>
      node.rpc.handle(method, (bytes, { signal, remainingMs }) =>
        handler(bytes, { peer: 'edge', signal, remainingMs })
      )
  }
  void createSeatKeeper({
    rpc: rpc as Rpc, // it only handles
    membership: membership as Membership & Leases, // and looks at no more than is there
    registers: registersOn(node)
  }).start()
}

function seatOn(
  node: SimulatedNode,
  life: { readonly incarnation: string; readonly boot: number },
  changed: (reply: SeatReply) => SeatReply = (reply) => reply
): Seat {
  const membership: Partial<Membership> = {
    self: { peer: 'edge', ...life },
    view: { members: [{ peer: 'member' }] } as unknown as NonNullable<Membership['view']>, // as above
    reachability: () => 'reachable'
  }
  const call: Rpc['call'] = async (peer, method, bytes, options) =>
    SeatReply.encode(changed(SeatReply.decode(await node.rpc.call(peer, method, bytes, options))))
  const seat = createEdgeSeat({
    rpc: { call } as Rpc, // it only asks
    membership: membership as Membership, // and looks at no more than is there
    clock: node.clock,
    random: node.random
  })
  void seat.start()
  return seat
}

/** Whether both lives held their leases at one moment; the later one has another disk. */
async function overlap(
  simulation: Simulation,
  changed?: (reply: SeatReply) => SeatReply
): Promise<boolean> {
  const { random } = simulation
  for (const name of ['a', 'b']) simulation.drift(name, (random.next() - 0.5) * 0.048)
  keeperOn(simulation.node('member'), { members: ['member'], leaseIsHeld: true })
  const first = seatOn(simulation.node('a'), { incarnation: 'one', boot: 3 })
  await simulation.until(() => first.lease.held, readyMs)
  simulation.after(random.next() * 5000, () => simulation.split(['a'], ['member', 'b']))
  await simulation.run(random.next() * 6000)
  const second = seatOn(simulation.node('b'), { incarnation: 'two', boot: 1 }, changed)
  let isOverlapping = false
  const look = (): void => {
    isOverlapping ||= first.lease.held && second.lease.held
    simulation.after(5, look)
  }
  look()
  await simulation.until(() => second.lease.held, readyMs)
  // The split has begun by then.
  await simulation.run(5000)
  expect(second.lease.held).toBe(true)
  expect(second.number).toBeGreaterThan(first.number ?? 0)
  simulation.heal()
  await simulation.until(() => first.lost.aborted, readyMs)
  expect(first.lost.aborted).toBe(true)
  return isOverlapping
}

const seeds = Array.from({ length: 40 }, (_, at) => at + 1)

it('two lives of an edge peer never hold their leases at one moment', async () => {
  for (const seed of seeds) {
    const found = await overlap(createSimulation({ seed }))
    expect(found, `seed ${seed}`).toBe(false)
  }
})

it('a life that does not wait for the one before is found', async () => {
  let found = 0
  for (const seed of seeds) {
    const isOverlapping = await overlap(createSimulation({ seed }), (reply) => ({
      ...reply,
      replaced: false
    }))
    if (isOverlapping) found++
  }
  expect(found).toBeGreaterThan(0)
})

it('the next boot of a disk has a greater number and need not wait', async () => {
  const simulation = createSimulation({ seed: 1 })
  keeperOn(simulation.node('member'), { members: ['member'], leaseIsHeld: true })
  const first = seatOn(simulation.node('a'), { incarnation: 'one', boot: 3 })
  expect(await simulation.wait(first.whenTaken())).toBe(1)
  await first.stop()
  const second = seatOn(simulation.node('b'), { incarnation: 'one', boot: 4 })
  expect(await simulation.wait(second.whenTaken())).toBe(2)
  await simulation.run(1)
  expect(second.lease.held).toBe(true)
})

it('a late question of an earlier boot takes nothing from the later one', () => {
  const later = seatTaken(undefined, { incarnation: 'one', boot: 4 })
  expect(seatTaken(later, { incarnation: 'one', boot: 3 })).toBe(later)
  expect(seatTaken(later, { incarnation: 'one', boot: 4 })).toBe(later)
  expect(seatTaken(later, { incarnation: 'two', boot: 1 })).toMatchObject({ number: 2 })
})

it('a ballot of a life whose disk is lost, decided after that of the next life, takes nothing from it', async () => {
  const simulation = createSimulation({ seed: 5 })
  keeperOn(simulation.node('member'), { members: ['member'], leaseIsHeld: true })
  const killed = seatOn(simulation.node('a'), { incarnation: 'one', boot: 1 })
  await simulation.wait(killed.whenTaken())
  await killed.stop()
  const next = seatOn(simulation.node('b'), { incarnation: 'two', boot: 1 })
  await simulation.run(500)
  const late = SeatRequest.encode({ incarnation: 'one', boot: 2, number: 0 })
  await simulation.wait(simulation.node('c').rpc.call('member', SEAT, late))
  expect(await simulation.wait(next.whenTaken())).toBe(4)
  expect(next.lost.aborted).toBe(false)
  expect(next.lease.held).toBe(true)
})

it('of two lives that start with two disks at one time, one has the seat in the end', async () => {
  const simulation = createSimulation({ seed: 6 })
  keeperOn(simulation.node('member'), { members: ['member'], leaseIsHeld: true })
  const before = seatOn(simulation.node('a'), { incarnation: 'zero', boot: 1 })
  await simulation.wait(before.whenTaken())
  await before.stop()
  const lives = ['one', 'two'].map((incarnation, at) =>
    seatOn(simulation.node(`b${at}`), { incarnation, boot: 1 })
  )
  await simulation.until(() => lives.some(({ lost }) => lost.aborted), readyMs)
  await simulation.until(() => lives.some(({ lease }) => lease.held), readyMs)
  expect(lives.map(({ lease, lost }) => `${lease.held} ${lost.aborted}`).toSorted()).toEqual([
    'false true',
    'true false'
  ])
})

it('a lease lapses where members hold none, and is held again after that', async () => {
  const simulation = createSimulation({ seed: 2 })
  const standing = { members: ['member'], leaseIsHeld: true }
  keeperOn(simulation.node('member'), standing)
  const seat = seatOn(simulation.node('a'), { incarnation: 'one', boot: 1 })
  await simulation.wait(seat.whenTaken())
  standing.leaseIsHeld = false
  await simulation.run(7000)
  expect(seat.lease.held).toBe(false)
  const waiting = seat.lease.whenHeld({ timeoutMs: 20_000 })
  standing.leaseIsHeld = true
  await simulation.wait(waiting)
  expect(seat.lease.held).toBe(true)
})

it('who is a member has no seat, and loses the one that it had', async () => {
  const simulation = createSimulation({ seed: 3 })
  const standing = { members: ['member'], leaseIsHeld: true }
  keeperOn(simulation.node('member'), standing)
  const seat = seatOn(simulation.node('a'), { incarnation: 'one', boot: 1 })
  await simulation.wait(seat.whenTaken())
  standing.members = ['member', 'edge']
  await simulation.until(() => seat.lost.aborted, readyMs)
  expect(seat.lease.held).toBe(false)
  await expect(seat.whenTaken()).rejects.toMatchObject({ name: 'UnavailableError' })
  const asked = SeatRequest.encode({ incarnation: 'one', boot: 2, number: 0 })
  const reply = await simulation.wait(simulation.node('b').rpc.call('member', SEAT, asked))
  expect(SeatReply.decode(reply).status).toBe('ended')
})

it('a member waits for the lease of an edge peer of its name, unless that had its disk', async () => {
  const simulation = createSimulation({ seed: 4 })
  const node = simulation.node('member')
  const { clock } = node
  const clear = async (incarnation: string | undefined): Promise<boolean> => {
    const registers = registersOn(node)
    if (incarnation !== undefined) {
      const seat = SeatRecord.encode({ number: 2, incarnation, boot: 1, replaced: false })
      await registers.change({ id: '~seat/edge', replicas: 3 }, () => seat)
    }
    const membership: Partial<Membership> = {
      self: { peer: 'edge', incarnation: 'now', boot: 1 },
      view: { members: [{ peer: 'edge', incarnation: 'now' }] } as unknown as NonNullable<
        Membership['view']
      > // all that is looked at
    }
    const clearance = createSeatClearance({
      membership: membership as Membership, // as above
      registers,
      clock
    })
    void clearance.start()
    const late = clearance.whenClear({ timeoutMs: 500 })
    const isAtOnce = await late.then(
      () => true,
      () => false
    )
    await clearance.whenClear({ timeoutMs: 20_000 })
    return isAtOnce
  }
  expect(await simulation.wait(clear(undefined))).toBe(true)
  expect(await simulation.wait(clear('now'))).toBe(true)
  expect(await simulation.wait(clear('before'))).toBe(false)
})
