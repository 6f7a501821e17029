import { integerBetween, pick } from '@murmuration/testkit'
import { isMajority } from '../src/index.ts'
import { Cluster } from './cluster.ts'
import type { ClusterInit } from './cluster.ts'
import { announce } from './forgery.ts'

export interface FaultRun extends ClusterInit {
  /** Virtual time during which faults come. @default 5000 */
  readonly faultsMs?: number
  /** Longest pause between two faults. @default 900 */
  readonly gapMs?: number
  /** Slow and lossy from the start: makes ballots overlap. @default false */
  readonly isRough?: boolean
  /** Longest time of a message where it is rough. @default 150 */
  readonly delayMaxMs?: number
}

/** Whether the nodes could come together again at the end, or too many disks were lost for it. */
export type Outcome = 'agreed' | 'majority lost'

/** A random run: nodes and links fail and come back, then all is quiet and must become one. */
export async function runFaults(init: FaultRun): Promise<Outcome> {
  const cluster = new Cluster(init)
  const { simulation } = cluster
  const { random } = simulation
  const faultsMs = init.faultsMs ?? 5000
  if (init.isRough === true) {
    const delayMs = [1, init.delayMaxMs ?? 150] as const
    simulation.conditions({ delayMs, loss: 0.1, duplication: 0.1, reordering: 0.5 })
  }
  const names = ['a', 'b', 'c', 'd', 'e'].slice(0, integerBetween(random, 3, 5))
  for (const name of names) {
    cluster.start(name)
  }
  await simulation.run(integerBetween(random, 300, 1500))
  const faults = new Faults(cluster, names)
  while (simulation.now < faultsMs) {
    faults.next()
    await simulation.run(integerBetween(random, 20, init.gapMs ?? 900))
    cluster.checkLeases()
    cluster.assertSound()
  }
  await faults.end()
  cluster.assertSound()
  const staying = names.filter((name) => !faults.gone.has(name))
  const canAgree = await simulation.until(() => cluster.isAgreed(staying), 40_000)
  cluster.assertSound()
  if (!canAgree && hasMajority(cluster, staying)) {
    await cluster.agree(staying, 0)
  }
  return canAgree ? 'agreed' : 'majority lost'
}

/** The newest view that anybody shows can still decide: enough of its disks are there. */
function hasMajority(cluster: Cluster, names: readonly string[]): boolean {
  const views = names.flatMap((name) => cluster.of(name).view ?? [])
  const [newest] = views.toSorted((a, b) => b.number - a.number)
  if (newest === undefined) {
    return false
  }
  const alive = newest.members.filter(({ peer, incarnation }) => {
    return names.includes(peer) && cluster.of(peer).self.incarnation === incarnation
  })
  return isMajority(newest, new Set(alive.map(({ peer }) => peer)))
}

class Faults {
  readonly gone = new Set<string>()
  readonly #cluster: Cluster
  readonly #names: readonly string[]
  readonly #down = new Set<string>()
  readonly #paused = new Set<string>()

  constructor(cluster: Cluster, names: readonly string[]) {
    this.#cluster = cluster
    this.#names = names
  }

  next(): void {
    const { simulation } = this.#cluster
    const { random } = simulation
    const up = this.#names.filter((name) => !this.#down.has(name) && !this.gone.has(name))
    const name = pick(random, up)
    const kind = random.next()
    if (kind < 0.3 && name !== undefined) {
      this.#crash(name)
    } else if (kind < 0.55) {
      const back = pick(random, [...this.#down])
      if (back !== undefined) {
        this.#restart(back)
      }
    } else if (kind < 0.65 && name !== undefined && !this.#paused.has(name)) {
      this.#paused.add(name)
      simulation.pause(name)
    } else if (kind < 0.75) {
      this.#resumeAll()
    } else if (kind < 0.83) {
      const side = this.#names.filter(() => random.next() < 0.5)
      simulation.split(
        side,
        this.#names.filter((other) => !side.includes(other))
      )
    } else if (kind < 0.88 && name !== undefined) {
      const other = pick(random, this.#names)
      if (other !== undefined && other !== name) {
        simulation.block(name, other)
      }
    } else if (kind < 0.95) {
      simulation.heal()
    } else if (kind < 0.96 && name !== undefined) {
      this.#forge(name, pick(random, up) ?? name)
    } else if (kind < 0.975 && name !== undefined && this.gone.size === 0 && up.length > 2) {
      this.gone.add(name)
      this.#cluster
        .of(name)
        .leave()
        .catch(() => {})
    } else {
      const loss = random.next() < 0.5 ? 0 : 0.2
      const delayMs: [number, number] = random.next() < 0.5 ? [0.2, 2] : [1, 200]
      simulation.conditions({ loss, delayMs, duplication: loss / 2, reordering: loss * 2 })
    }
  }

  async end(): Promise<void> {
    const { simulation } = this.#cluster
    simulation.heal()
    simulation.conditions({ loss: 0, delayMs: [0.2, 2], duplication: 0, reordering: 0 })
    this.#resumeAll()
    for (const name of this.#down) {
      if (!this.gone.has(name)) {
        this.#restart(name)
      }
    }
    await simulation.run(100)
  }

  #crash(name: string): void {
    const { simulation } = this.#cluster
    const { random } = simulation
    const isWiped = random.next() < 0.2 && this.#isWhole()
    this.#paused.delete(name)
    this.#down.add(name)
    this.#cluster.crash(name, { machine: random.next() < 0.3 })
    if (isWiped) {
      this.#cluster.wipe(name)
    }
    if (random.next() < 0.5) {
      simulation.after(integerBetween(random, 1, 200), () => this.#restart(name))
    }
  }

  /** A mistake: a member announces a view for which only it has voted. */
  #forge(from: string, to: string): void {
    const { view } = this.#cluster.of(from)
    const votes = [from]
    if (from !== to && view !== undefined && !isMajority(view, new Set(votes))) {
      // Whether it arrives does not matter.
      announce(this.#cluster, { from, to, votes }).catch(() => {})
    }
  }

  #restart(name: string): void {
    if (this.#down.delete(name)) {
      this.#cluster.start(name, { found: false })
    }
  }

  #resumeAll(): void {
    for (const name of this.#paused) {
      this.#cluster.simulation.resume(name)
    }
    this.#paused.clear()
  }

  /** Everybody is up and in one view of at least three: so losing one disk is survivable. */
  #isWhole(): boolean {
    const up = this.#names.filter((name) => !this.gone.has(name))
    return up.length >= 3 && this.#cluster.isAgreedOf(up)
  }
}
