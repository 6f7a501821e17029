import { integerBetween, pick } from '@murmuration/testkit'
import { standardRules } from '../src/core/rules.ts'
import { Cluster } from './cluster.ts'
import type { ClusterInit } from './cluster.ts'

export interface DuelRun extends ClusterInit {
  /** Part of the changes of the split in which a disk is lost. @default 0.3 */
  readonly wiped?: number
  /** Part of the time in which one member is cut off. @default 0.7 */
  readonly split?: number
}

/**
 * Three members that change their addresses all the time, on slow links, with short crashes and
 * isolations: many ballots for one view overlap, for nobody yields to anybody. It checks safety only.
 */
export async function runDuels(init: DuelRun): Promise<void> {
  const rules = { ...(init.rules ?? standardRules), yieldsToRivals: false }
  const cluster = new Cluster({ ...init, rules })
  const { simulation } = cluster
  const { random } = simulation
  const names = ['a', 'b', 'c']
  const versions = new Map(names.map((name) => [name, 0]))
  const start = (name: string): void => {
    cluster.start(name, {
      found: name === 'a' && simulation.now === 0,
      addresses: () => [`/memory/${name}/${versions.get(name)}`]
    })
  }
  for (const name of names) {
    start(name)
  }
  await cluster.agree(names)
  simulation.conditions({ delayMs: [1, 400], loss: 0.03, duplication: 0.1, reordering: 0.5 })
  const restart = (name: string, isWiped: boolean): void => {
    if (simulation.isRunning(name)) {
      cluster.crash(name, { machine: random.next() < 0.5 })
      if (isWiped) {
        cluster.wipe(name)
      }
      simulation.after(integerBetween(random, 1, 15), () => start(name))
    }
  }
  // One member after the other is cut off, and a disk may be lost just when it changes.
  const moveSplit = (): void => {
    simulation.heal()
    const alone = pick(random, names) ?? 'a'
    const others = names.filter((other) => other !== alone)
    if (random.next() < (init.split ?? 0.7)) {
      simulation.split([alone], others)
    }
    if (random.next() < (init.wiped ?? 0.3)) {
      restart(pick(random, others) ?? 'a', true)
    }
    simulation.after(integerBetween(random, 100, 1500), moveSplit)
  }
  moveSplit()
  const end = simulation.now + 6000
  while (simulation.now < end) {
    await simulation.run(integerBetween(random, 5, 90))
    const name = pick(random, names) ?? 'a'
    if (random.next() < 0.5) {
      versions.set(name, (versions.get(name) ?? 0) + 1)
    } else {
      restart(name, false)
    }
    cluster.assertSound()
  }
}
