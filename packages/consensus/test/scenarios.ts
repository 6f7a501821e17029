import type { RegisterOutcome } from '@murmuration/interface'
import type { Simulation } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import type { Request } from '../src/core/requests.ts'
import { CoreWorld } from './core-world.ts'
import type { Peer } from './core-world.ts'

/** A schedule in which one rule decides; gives what is wrong afterwards. */
export type Scenario = (mutants: Mutants, simulation: Pick<Simulation, 'log'>) => string | undefined

const name = '00000/3//k0'

class Script {
  readonly world: CoreWorld
  /** Which requests are lost on the way. */
  drop: (from: Peer, to: Peer, request: Request) => boolean = () => false

  constructor(mutants: Mutants, simulation: Pick<Simulation, 'log'>, count = 6) {
    let at = 0
    this.world = new CoreWorld({
      // Always the same, and never alike twice: nothing here is left to chance.
      random: () => {
        at = (at + 0.37) % 1
        return at
      },
      mutants,
      count,
      names: [name],
      log: (line) => simulation.log(`${this.world.now.toFixed(2)} ${line()}`)
    })
    this.world.conditions.newsMs = 5
    this.world.onSend = (from, to, request) => this.drop(from, to, request)
    this.world.peers.forEach((peer) => this.world.start(peer))
  }

  peers(...indices: readonly number[]): Peer[] {
    return indices.map((index) => this.world.peers[index]!)
  }

  run(durationMs: number): void {
    this.world.timeline.runUntil(this.world.now + durationMs)
  }

  begin(at: number, change?: Parameters<CoreWorld['propose']>[2]): { outcome?: RegisterOutcome } {
    const result: { outcome?: RegisterOutcome } = {}
    this.world.propose(this.world.peers[at]!, name, change, (outcome) => {
      result.outcome = outcome
    })
    return result
  }

  append(at: number, element: number): { outcome?: RegisterOutcome } {
    return this.begin(at, (value) => Uint8Array.of(...(value ?? []), element))
  }

  read(at: number): string {
    const result = this.begin(at)
    this.world.timeline.runUntil(this.world.now + 2000, () => result.outcome !== undefined)
    const { outcome } = result
    return outcome?.status === 'committed' ? (outcome.value?.join(',') ?? 'nothing') : 'no answer'
  }
}

function expected(found: string, wanted: string): string | undefined {
  return found === wanted ? undefined : `read ${found}, not ${wanted}`
}

/**
 * A proposer dies between its accepts, one of which arrived, and comes back. Its first ballot is taken
 * by the two others as well: two values under one ballot.
 */
export const restartsBetweenAccepts: Scenario = (mutants, simulation) => {
  const script = new Script(mutants, simulation)
  const { world } = script
  world.newView(script.peers(0, 1, 2, 3), script.peers(1, 2, 3))
  script.run(20)
  script.drop = (_from, to, request) => request.type === 'accept' && to.index !== 1
  script.append(0, 1)
  script.run(12)
  world.crash(world.peers[0]!)
  script.run(20)
  world.start(world.peers[0]!)
  // Whoever accepted does not answer for a while.
  script.drop = (_from, to) => to.index === 1
  const second = script.append(0, 2)
  script.run(100)
  if (second.outcome?.status !== 'committed') {
    return 'the second change was not agreed'
  }
  script.drop = (_from, to) => to.index === 3
  const values = [script.read(1), script.read(2), script.read(1)]
  return values.find((value) => !value.split(',').includes('2')) === undefined
    ? undefined
    : `the second change is lost: ${values.join(' ')}`
}

/** A replica is away while a value is deleted, the deletion is erased, and it comes back. */
export const returnsWithDeletedValue: Scenario = (mutants, simulation) => {
  const script = new Script(mutants, simulation)
  const { world } = script
  const all = script.peers(0, 1, 2, 3, 4)
  world.newView(all, script.peers(0, 1, 2))
  script.run(20)
  script.append(1, 1)
  script.run(60)
  const [away] = script.peers(0) as [Peer]
  // It takes part, but hears of nothing that is settled from now on.
  away.lag = 10_000
  world.newView(all, script.peers(1, 2, 3))
  script.run(200)
  script.begin(1, () => undefined)
  script.run(60)
  world.newView(all, script.peers(0, 2, 3))
  script.run(10)
  script.peers(1, 2, 3, 4).forEach((peer) => world.erase(peer))
  return expected(script.read(0), 'nothing')
}

/** The only peer left that holds an older value has accepted a newer one, alone. */
export const acceptsAloneInTheNewView: Scenario = (mutants, simulation) => {
  const script = new Script(mutants, simulation)
  const { world } = script
  world.newView(script.peers(0, 1, 2), script.peers(0, 1, 2))
  script.run(20)
  script.drop = (_from, to, request) => request.type === 'accept' && to.index === 2
  const first = script.append(1, 1)
  script.run(60)
  if (first.outcome?.status !== 'committed') {
    return 'the first change was not agreed'
  }
  script.drop = () => false
  world.crash(world.peers[1]!)
  world.wipe(world.peers[1]!)
  world.newView(script.peers(0, 2, 3, 4), script.peers(0, 3, 4))
  // Its accept reaches nobody else, and it dies before it could try again.
  script.drop = (_from, to, request) => request.type === 'accept' && to.index !== 0
  script.append(0, 2)
  script.run(14)
  world.crash(world.peers[0]!)
  script.drop = () => false
  world.timeline.after(20, () => world.start(world.peers[0]!))
  script.run(400)
  // Now it may be lost: all it held must be elsewhere.
  if (world.settled === 2) {
    world.crash(world.peers[0]!)
    world.wipe(world.peers[0]!)
  }
  const value = script.read(3)
  return value.startsWith('1') ? undefined : `read ${value}: the first change is lost`
}

/** One half of a majority has lost its record, the other half has left the view. */
export const losesARecordAndItsHalf: Scenario = (mutants, simulation) => {
  const script = new Script(mutants, simulation)
  const { world } = script
  const [damaged, leaver] = script.peers(0, 2) as [Peer, Peer]
  world.newView(script.peers(0, 1, 2), script.peers(0, 1, 2))
  script.run(20)
  script.drop = (_from, to, request) => request.type === 'accept' && to.index === 1
  const first = script.append(0, 1)
  script.run(60)
  if (first.outcome?.status !== 'committed') {
    return 'the first change was not agreed'
  }
  // Who has left is out of reach for a while, and moves nothing itself.
  script.drop = (from, to) => from === leaver || to === leaver
  world.newView(script.peers(0, 1, 3), script.peers(0, 1, 3))
  world.timeline.runUntil(world.now + 20, () => damaged.disk.view === 2)
  world.crash(damaged)
  world.damage(damaged, name)
  world.start(damaged)
  script.run(400)
  script.drop = () => false
  script.run(400)
  return expected(script.read(3), '1')
}

export const scenarios = {
  losesARecordAndItsHalf,
  restartsBetweenAccepts,
  returnsWithDeletedValue,
  acceptsAloneInTheNewView
}
