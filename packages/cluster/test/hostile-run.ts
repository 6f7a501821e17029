/**
 * The long form of the hostile suite: 100,000 frames of rubbish on every protocol, a million valid
 * envelopes of unknown keys, or as many as can be sent in the given time.
 * `node packages/cluster/test/hostile-run.ts [frames] [envelopes] [minutes] [seed]`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { floodWithUnknown, fuzzEverything, Victim } from './victim-process.ts'

const [frames = 100_000, envelopes = 1_000_000, minutes = 20, seed = Date.now() % 1e9] =
  process.argv.slice(2).map(Number)
const restMs = 150_000
const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
const victim = await Victim.start(folder)
console.log(`seed ${seed}`)
if (frames > 0) {
  const { sent, stalls, rssMb } = await fuzzEverything(victim, frames, seed)
  console.log({ sent, stalls, rssMb })
}
const { sent, taken, stallMs, rssMb, growthMb, revoked } = await floodWithUnknown(
  victim,
  envelopes,
  minutes * 60_000,
  {
    parts: 20,
    note: (report) => {
      const seconds = Math.round(performance.now() / 1_000)
      const [rss, heap, outside] = [report.rssMb, report.heapMb, report.outsideMb].map(Math.round)
      const stall = Math.round(report.stallMs)
      console.log(
        `${seconds} s: ${report.sent} envelopes, ${rss} MB (heap ${heap}, outside ${outside}), longest stall ${stall} ms`
      )
    }
  }
)
console.log({ sent, taken, stallMs, rssMb, growthMb, revoked })
// Gossip remembers each message for two minutes: what is left then is what the flood has left.
await new Promise((resolve) => setTimeout(resolve, restMs))
const rest = await victim.report()
console.log(
  `after ${restMs / 1_000} s of rest: ${Math.round(rest.rssMb)} MB (heap ${Math.round(rest.heapMb)})`
)
await victim.stop()
rmSync(folder, { recursive: true, force: true })
