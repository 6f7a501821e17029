import { findFailingSeed } from '@murmuration/testkit'
import { run } from './run.ts'
const mutants = JSON.parse(process.argv[2] ?? '{}')
const first = Number(process.argv[3] ?? 1),
  count = Number(process.argv[4] ?? 100)
let acked = 0
const t = Date.now()
const bad: number[] = []
let at = first
while (at < first + count) {
  const f = await findFailingSeed({
    diskMs: [0.05, 6],
    first: at,
    count: first + count - at,
    run: async (s) => {
      acked += (await run(s, mutants)).acknowledged
    }
  })
  if (f === undefined) break
  bad.push(f.seed)
  if (bad.length <= 6) console.log(f.message.split('\n')[0])
  at = f.seed + 1
  if (process.argv[5] === 'first') break
}
console.log(
  JSON.stringify({
    mutants,
    bad: bad.length,
    seeds: bad.slice(0, 8),
    runs: count,
    acked,
    ms: Date.now() - t
  })
)
const u = process.cpuUsage(); console.log("cpu ms per run", Math.round((u.user + u.system) / 1000 / count)); process.exit(0)
