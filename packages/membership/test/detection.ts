/**
 * `node packages/membership/test/detection.ts [members] [repetitions] [faults]`: how soon real
 * processes find that one of them was killed, is frozen, or stands still for 4.5 s (`killed`, `frozen`,
 * `stalled`, all by default). Milliseconds, over all repetitions. Exit code 1 where a process that stood
 * still was removed.
 */
import { ProcessGroup, sleep } from './process-group.ts'
import type { MemberProcess } from './process-group.ts'

const count = Number(process.argv[2] ?? 5)
const repetitions = Number(process.argv[3] ?? 20)
const asked = process.argv[4]?.split(',') ?? ['killed', 'frozen', 'stalled']
const stallMs = 4500

/** Times from the fault on, one list per thing that is waited for. */
type Times = Record<string, number[]>

const group = new ProcessGroup()

function add(times: Times, what: string, value: number): void {
  const list = times[what] ?? []
  list.push(value)
  times[what] = list
}

function show(fault: string, times: Times): void {
  for (const [what, values] of Object.entries(times)) {
    const sorted = values.toSorted((a, b) => a - b)
    const at = (part: number): string =>
      (sorted[Math.ceil(part * sorted.length) - 1] ?? Number.NaN).toFixed(0).padStart(6)
    const name = `${fault}: ${what}`.padEnd(48)
    console.log(`${name} p50 ${at(0.5)}  p95 ${at(0.95)}  p99 ${at(0.99)}  of ${sorted.length}`)
  }
}

/** Suspected by one, out of the view of all, replaceable for all. */
async function measure(times: Times, victim: MemberProcess): Promise<void> {
  const others = group.others(victim)
  for (const { sees } of others) {
    // What was seen of it in an earlier view is over, and nobody says so.
    sees.delete(victim.peer)
  }
  const from = performance.now()
  const since = (): number => performance.now() - from
  const isSeen = (): boolean =>
    others.some(({ sees }) => (sees.get(victim.peer) ?? 'reachable') !== 'reachable')
  await group.until('somebody suspects it', () => isSeen() || group.isOne(others))
  add(times, 'suspected by one', since())
  await group.until('it is out', () => group.isOne(others))
  add(times, 'out of the view of all', since())
  const isOver = (): boolean => others.every(({ replaceable }) => replaceable.has(victim.peer))
  await group.until('it may be replaced', isOver)
  add(times, 'replaceable for all', since())
}

async function killed(times: Times, victim: MemberProcess): Promise<void> {
  group.signal(victim, 'SIGKILL')
  await measure(times, victim)
  await group.restart(victim)
}

async function frozen(times: Times, victim: MemberProcess): Promise<void> {
  group.signal(victim, 'SIGSTOP')
  await measure(times, victim)
  group.signal(victim, 'SIGCONT')
}

async function stalled(times: Times, victim: MemberProcess): Promise<void> {
  const others = group.others(victim)
  const [before] = others.map(({ number }) => number)
  group.signal(victim, 'SIGSTOP')
  await sleep(stallMs)
  group.signal(victim, 'SIGCONT')
  const from = performance.now()
  // A lapse is told when it wakes; then the lease comes back.
  await group.until('it notices', () => !victim.held)
  await group.until('it holds its lease', () => victim.held)
  add(times, 'holds its lease again after it woke', performance.now() - from)
  await sleep(1000)
  const isRemoved = others.some(({ number }) => number !== before)
  removed += isRemoved ? 1 : 0
}

let removed = 0
try {
  const began = performance.now()
  await group.begin(count)
  console.log(`${count} processes in one view after ${(performance.now() - began).toFixed(0)} ms`)
  const faults = Object.entries({ killed, frozen, stalled })
  for (const [fault, run] of faults.filter(([name]) => asked.includes(name))) {
    const times: Times = {}
    for (let repetition = 0; repetition < repetitions; repetition++) {
      // The founder, which weighs 2 among an even number, is left alone.
      const victim = group.members[1 + (repetition % (count - 1))]
      if (victim !== undefined) {
        await run(times, victim)
        await group.until('all are one again', () => group.isSettled(), 60_000)
        await sleep(300)
      }
    }
    show(fault, times)
  }
  if (asked.includes('stalled')) {
    console.log(`stalled for ${stallMs} ms, ${repetitions} times: ${removed} removed`)
  }
} finally {
  await group.end()
}
process.exitCode = removed > 0 ? 1 : 0
