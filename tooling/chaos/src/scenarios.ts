import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Herd } from './herd.ts'
import { wait } from './herd.ts'
import { split } from './network.ts'

const run = promisify(execFile)

/** What a scenario is given: the peers, and how to mark the moments of the plot. */
export interface Stage {
  readonly herd: Herd
  readonly count: number
  /** The members that must not acknowledge agents that pause, from a while after now on. */
  readonly isolate: (indices: readonly number[]) => void
  readonly mark: (what: string) => void
}

export interface Scenario {
  readonly name: string
  readonly summary: string
  /** What a network must be able to do. */
  readonly needs?: 'loss' | 'delay' | 'mounts'
  /** Milliseconds within which agents of the side that goes on serve again at the 95th percentile. */
  readonly servedAgainMs?: number | undefined
  readonly act: (stage: Stage) => Promise<void>
}

/** Longer than silence takes to be believed, in milliseconds: the view has changed where it can. */
const LONG_MS = 14_000

function sidesOf(count: number, ...sizes: readonly number[]): number[][] {
  const all = Array.from({ length: count }, (_, at) => at + 1)
  const sides = sizes.map((size) => all.splice(0, size))
  if (all.length > 0) sides.push(all)
  return sides
}

/** Cuts the sides for a while; all but `majority` are isolated. */
async function cutFor(
  { herd, isolate, mark }: Stage,
  sides: readonly (readonly number[])[],
  majority: number | undefined,
  ms = LONG_MS
): Promise<void> {
  mark(`cut ${sides.map((side) => side.join(',')).join(' | ')}`)
  await split(herd.network, sides)
  isolate(sides.filter((_, at) => at !== majority).flat())
  await wait(ms)
  await herd.network.heal()
  mark('heal')
  isolate([])
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'kill',
    summary: 'kill -9 of one peer, which comes back',
    servedAgainMs: 3_000,
    act: async ({ herd, count, mark }) => {
      mark(`kill ${count}`)
      await herd.kill(count)
      await wait(8_000)
      mark(`restart ${count}`)
      await herd.restart(count)
    }
  },
  {
    name: 'kill-founder',
    summary: 'kill -9 of the first peer, which breaks ties',
    servedAgainMs: 3_000,
    act: async ({ herd, mark }) => {
      mark('kill 1')
      await herd.kill(1)
      await wait(8_000)
      mark('restart 1')
      await herd.restart(1)
    }
  },
  {
    name: 'wiped-disk',
    summary: 'kill -9 and an empty disk',
    servedAgainMs: 3_000,
    act: async ({ herd, mark }) => {
      mark('kill 2 and wipe its disk')
      await herd.kill(2)
      await herd.wipe(2)
      await wait(5_000)
      mark('restart 2')
      await herd.restart(2)
    }
  },
  {
    name: 'freeze',
    summary: 'SIGSTOP for 15 s: silent, out of the view, and back',
    servedAgainMs: 9_000,
    act: async ({ herd, count, mark, isolate }) => {
      mark(`freeze ${count}`)
      herd.freeze(count)
      isolate([count])
      await wait(15_000)
      isolate([])
      mark(`thaw ${count}`)
      herd.thaw(count)
    }
  },
  {
    name: 'stall',
    summary: 'SIGSTOP for 3 s: nobody is removed',
    act: async ({ herd, count, mark }) => {
      mark(`freeze ${count}`)
      herd.freeze(count)
      await wait(3_000)
      mark(`thaw ${count}`)
      herd.thaw(count)
      await wait(3_000)
    }
  },
  {
    name: 'split-even',
    summary: 'a clean split, the larger part without the founder',
    servedAgainMs: 9_000,
    act: (stage) => {
      const small = Math.floor(stage.count / 2)
      return cutFor(stage, sidesOf(stage.count, small), 1)
    }
  },
  {
    name: 'split-one',
    summary: 'one peer alone',
    servedAgainMs: 9_000,
    act: (stage) => cutFor(stage, sidesOf(stage.count, stage.count - 1), 0)
  },
  {
    name: 'split-founder',
    summary: 'the founder alone',
    servedAgainMs: 9_000,
    act: (stage) => cutFor(stage, sidesOf(stage.count, 1), 1)
  },
  {
    name: 'split-three',
    summary: 'three parts without a majority: all pause, and go on after the heal',
    act: (stage) => {
      const part = Math.floor((stage.count - 1) / 2)
      return cutFor(stage, sidesOf(stage.count, part, part), undefined)
    }
  },
  {
    name: 'bridge',
    summary: 'two sides that only one peer in the middle reaches',
    act: async ({ herd, count, mark }) => {
      const half = Math.floor((count - 1) / 2)
      const [left = [], , right = []] = sidesOf(count, half, count - 2 * half)
      mark(`cut ${left.join(',')} | ${right.join(',')}, others reach both`)
      await split(herd.network, [left, right])
      await wait(LONG_MS)
      await herd.network.heal()
      mark('heal')
    }
  },
  {
    name: 'one-way',
    summary: 'one peer hears nobody, and is heard',
    act: async ({ herd, count, mark }) => {
      mark(`${count} hears nobody`)
      for (let from = 1; from < count; from++) await herd.network.cut(from, count)
      await wait(LONG_MS)
      await herd.network.heal()
      mark('heal')
    }
  },
  {
    name: 'flapping',
    summary: 'a split that comes and goes every 1.5 s',
    act: async ({ herd, count, mark }) => {
      const sides = sidesOf(count, Math.floor(count / 2))
      for (let round = 0; round < 5; round++) {
        mark('cut')
        await split(herd.network, sides)
        await wait(1_500)
        await herd.network.heal()
        mark('heal')
        await wait(1_500)
      }
    }
  },
  {
    name: 'loss',
    summary: '5 % of all packets are lost for 12 s',
    needs: 'loss',
    act: async ({ herd, mark }) => {
      mark('lose 5 %')
      await herd.network.lose?.(0.05)
      await wait(12_000)
      await herd.network.heal()
      mark('heal')
    }
  },
  {
    name: 'delay',
    summary: '40 ms one way between all for 10 s',
    needs: 'delay',
    act: async ({ herd, mark }) => {
      mark('delay 40 ms')
      await herd.network.delay?.(40)
      await wait(10_000)
      await herd.network.heal()
      mark('heal')
    }
  },
  {
    name: 'bandwidth',
    summary: '48 KiB per second on each link for 12 s',
    act: async ({ herd, mark }) => {
      mark('narrow to 48 KiB/s')
      await herd.network.narrow(49_152)
      await wait(12_000)
      await herd.network.heal()
      mark('heal')
    }
  },
  {
    name: 'full-disk',
    summary: 'the disk of one peer is full for 10 s',
    needs: 'mounts',
    act: async ({ herd, mark }) => {
      const peer = herd.peers.get(2)
      if (peer === undefined) return
      await herd.kill(2)
      await herd.wipe(2)
      await run('mkdir', ['-p', peer.dataDir])
      await run('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'chaos', peer.dataDir])
      try {
        await herd.restart(2)
        await herd.whole(30_000)
        mark('disk of 2 is full')
        const filler = join(peer.dataDir, 'filler')
        await fill(filler)
        await wait(10_000)
        await rm(filler)
        mark('disk of 2 has room')
        await wait(2_000)
        await herd.kill(2)
      } finally {
        await run('umount', ['-l', peer.dataDir])
      }
      await herd.restart(2)
    }
  },
  {
    name: 'clock-jump',
    summary: 'the wall clock of one peer jumps an hour ahead, then two back',
    act: async ({ herd, mark }) => {
      const target = herd.up.filter(({ index }) => index === 2)
      mark('clock of 2: +1 h')
      herd.send({ kind: 'clock', skewMs: 3_600_000 }, target)
      await wait(6_000)
      mark('clock of 2: -1 h')
      herd.send({ kind: 'clock', skewMs: -3_600_000 }, target)
      await wait(6_000)
    }
  },
  {
    name: 'rolling-restart',
    summary: 'every peer leaves in order and comes back, one after the other',
    act: async ({ herd, count, mark }) => {
      for (let index = 1; index <= count; index++) {
        mark(`drain ${index}`)
        await herd.drain(index)
        mark(`restart ${index}`)
        await herd.restart(index)
        await herd.whole(40_000)
      }
    }
  },
  {
    name: 'join-storm',
    summary: 'four more peers join at once',
    act: async ({ herd, count, mark }) => {
      mark('four join')
      await herd.start(count + 4)
      mark('all are in')
      await wait(3_000)
    }
  },
  {
    name: 'two-after-each-other',
    summary: 'kill -9 of two peers, the second when the first loss is settled',
    servedAgainMs: 3_000,
    act: async ({ herd, count, mark }) => {
      for (const index of [count, count - 1]) {
        mark(`kill ${index}`)
        await herd.kill(index)
        await herd.whole(30_000)
      }
      for (const index of [count, count - 1]) {
        mark(`restart ${index}`)
        await herd.restart(index)
      }
    }
  },
  {
    name: 'kill-in-split',
    summary: 'a peer of the majority dies while the minority is cut off',
    act: async (stage) => {
      const { herd, count, mark, isolate } = stage
      const sides = sidesOf(count, 1)
      mark('cut 1 | others')
      await split(herd.network, sides)
      isolate([1])
      await wait(9_000)
      mark(`kill ${count}`)
      await herd.kill(count)
      await wait(6_000)
      await herd.network.heal()
      mark('heal')
      isolate([])
      mark(`restart ${count}`)
      await herd.restart(count)
    }
  }
]

/** Takes all room that is left. */
async function fill(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(join(path, '..'))
  const file = await open(path, 'w')
  try {
    const block = Buffer.alloc(65_536, 1)
    for (let left = bavail * bsize; left > 0; left -= block.length) await file.write(block)
    await file.sync()
  } catch {
    // Full earlier than computed: others wrote meanwhile, which is what was wanted.
  } finally {
    await file.close()
  }
}
